// Package gatewayapi reads HTTPRoute and GRPCRoute of the Kubernetes Gateway
// API (group gateway.networking.k8s.io, version v1, and the older ones of the
// same shape) into structs of its own.
//
// Every field of the real API is supported, warned about where ignoring it is
// harmless, or refused by name where ignoring it would change what happens to
// requests; the tables are in fields.go. A field that the API does not know is
// a typing mistake and refused with a suggestion.
//
// The structs keep the API's words and meaning:
//
//   - A rule takes a request that one of its matches takes. Among all matches
//     for a host, the more specific goes first, whatever the order of the
//     documents: see [HTTPMatch.Compare].
//   - Backends share requests by weight / (sum of weights); without a weight
//     one has 1, and with 0 it gets none.
//   - A path prefix ends at a slash: /a takes /a and /a/b but not /ab. Regular
//     expressions are RE2 and must match the whole string.
package gatewayapi

import (
	"slices"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// The kinds that this package reads.
const (
	KindHTTPRoute = "HTTPRoute"
	KindGRPCRoute = "GRPCRoute"
)

// APIVersion is what documents are written with now.
const APIVersion = "gateway.networking.k8s.io/v1"

var versions = map[string][]string{
	KindHTTPRoute: {APIVersion, "gateway.networking.k8s.io/v1beta1"},
	KindGRPCRoute: {APIVersion, "gateway.networking.k8s.io/v1alpha2"},
}

// Reads tells whether the document is of a kind and version that this package
// reads.
func Reads(doc *yamltree.Document) bool {
	return slices.Contains(versions[doc.Kind()], doc.APIVersion())
}
