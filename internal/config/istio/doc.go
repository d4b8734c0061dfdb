// Package istio reads Istio's VirtualService and DestinationRule (API group
// networking.istio.io, versions v1, v1beta1 and v1alpha3) into structs of its
// own.
//
// Every field of the real API is supported, warned about where ignoring it is
// harmless, or refused by name where ignoring it would change what happens to
// requests; the tables are in fields.go. A field that Istio does not know is a
// typing mistake and refused with a suggestion, which Istio itself does not do.
//
// The structs keep Istio's words and meaning:
//
//   - Destinations share requests by weight / (sum of weights). A single
//     destination gets all.
//   - retries.attempts counts the retries: attempts 3 means up to four tries.
//     Without a retries stanza Istio still retries twice; see [HTTPRoute.Tries].
//   - timeout bounds a request with all its retries; without it there is none.
//     perTryTimeout bounds each try, the first included.
//   - A fault happens before the request is routed. The time of a delay does not
//     count towards timeout, which begins when the request reaches the router,
//     and an aborted request is not retried.
//   - Prefixes match at any byte: /a matches /ab. Regular expressions are RE2
//     and must match the whole string.
package istio

import (
	"slices"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// The kinds that this package reads.
const (
	KindVirtualService  = "VirtualService"
	KindDestinationRule = "DestinationRule"
)

var versions = []string{"networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"}

// Reads tells whether the document is of a kind and version that this package
// reads.
func Reads(doc *yamltree.Document) bool {
	return slices.Contains(versions, doc.APIVersion()) && (doc.Kind() == KindVirtualService || doc.Kind() == KindDestinationRule)
}
