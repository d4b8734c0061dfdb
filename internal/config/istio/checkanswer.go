package istio

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// answer checks where a rule's requests go, and how they are changed.
func (c *checker) answer(at yamltree.Path, r HTTPRoute) {
	ways := 0
	for _, set := range []bool{len(r.Route) > 0, r.Redirect != nil, r.DirectResponse != nil} {
		if set {
			ways++
		}
	}
	switch {
	case ways == 0 && c.Clean(at):
		c.Fail(at.At("route"), "is required", "")
	case ways > 1:
		c.Fail(at, "want one of route, redirect and directResponse", "keep one of them")
	}
	if len(r.Route) == 0 && (r.Rewrite != nil || len(r.Copies()) > 0) {
		c.Fail(at, "rewrite and mirror are for requests that go to a destination", "remove them")
	}
	c.redirect(at.At("redirect"), r.Redirect)
	c.rewrite(at.At("rewrite"), r.Rewrite)
	if r.Mirror != nil {
		c.destination(at.At("mirror"), *r.Mirror)
	}
	for i, m := range r.Mirrors {
		c.destination(at.At("mirrors", i, "destination"), m.Destination)
	}
	if r.MirrorPercent != nil {
		c.Warn(at.At("mirrorPercent"), "Istio has deprecated this field", fmt.Sprintf("write mirrorPercentage: {value: %d}", *r.MirrorPercent))
	}
}

func (c *checker) redirect(at yamltree.Path, r *HTTPRedirect) {
	if r == nil {
		return
	}
	if known := []uint32{0, 301, 302, 303, 307, 308}; !slices.Contains(known, r.RedirectCode) {
		c.Fail(at.At("redirectCode"), fmt.Sprintf("want 301, 302, 303, 307 or 308, got %d", r.RedirectCode), "")
	}
	if r.URI != "" && !strings.HasPrefix(r.URI, "/") {
		c.Fail(at.At("uri"), "want a path that begins with a slash, got "+strconv.Quote(r.URI), "")
	}
	if r.Port != 0 && r.DerivePort != "" {
		c.Fail(at, "want one of port and derivePort", "keep one of them")
	}
}

func (c *checker) rewrite(at yamltree.Path, r *HTTPRewrite) {
	if r == nil {
		return
	}
	if r.URI == "" && r.Authority == "" && r.URIRegexRewrite == nil && c.Clean(at) {
		c.Fail(at, "want uri, authority or uriRegexRewrite", "")
	}
	if r.URI != "" && r.URIRegexRewrite != nil {
		c.Fail(at, "want one of uri and uriRegexRewrite", "keep one of them")
	}
	if x := r.URIRegexRewrite; x != nil && x.Match != "" {
		if _, err := syntax.Parse(x.Match, syntax.Perl); err != nil {
			c.Fail(at.At("uriRegexRewrite", "match"), "not a regular expression in RE2 syntax: "+strings.TrimPrefix(err.Error(), "error parsing regexp: "), "")
		}
	}
}

// tls checks how endpoints are spoken to.
func (c *checker) tls(at yamltree.Path, t *ClientTLS) {
	switch {
	case t == nil || t.Mode == "" || t.Mode == "DISABLE":
		return
	case t.Mode == "ISTIO_MUTUAL":
		c.Fail(at.At("mode"), "there is no mesh whose certificates could be shown", "write MUTUAL with certificates of afloat ca")
		return
	case t.Mode == "MUTUAL" && (t.ClientCertificate == "" || t.PrivateKey == ""):
		c.Fail(at, "MUTUAL wants clientCertificate and privateKey", "name their files")
	case t.Mode == "SIMPLE" && (t.ClientCertificate != "" || t.PrivateKey != ""):
		c.Fail(at, "SIMPLE shows no certificate", "write mode: MUTUAL, or remove clientCertificate and privateKey")
	}
	var names, ids int
	for _, name := range t.SubjectAltNames {
		if strings.HasPrefix(name, "spiffe://") {
			ids++
		} else {
			names++
		}
	}
	switch {
	case names > 0 && ids > 0, names > 1:
		c.Fail(at.At("subjectAltNames"), "want SPIFFE IDs, or one host name", "")
	case names == 1 && t.SNI != "" && t.SNI != t.SubjectAltNames[0]:
		c.Fail(at.At("sni"), "the name that is asked for and the one in the certificate are the same here", "remove one of sni and subjectAltNames")
	case ids > 0 && t.CACertificates == "":
		c.Fail(at.At("subjectAltNames"), "SPIFFE IDs want caCertificates, which vouch for them", "name their file")
	}
}
