package istio

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/afloat-dev/afloat/internal/config/kube/meta"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// A checker adds what only this package knows.
type checker struct{ meta.Checker }

func (c *checker) object(o meta.Object, kind string) {
	if o.Kind != "" && o.Kind != kind {
		c.Fail(yamltree.Path{"kind"}, "want "+kind+", got "+o.Kind, "")
	}
	if o.APIVersion != "" && !slices.Contains(versions, o.APIVersion) {
		c.Fail(yamltree.Path{"apiVersion"}, "this version is not known: "+o.APIVersion, "write "+versions[0])
	}
	c.Problems = append(c.Problems, o.Check(c.Doc)...)
}

func (c *checker) virtualService(spec virtualServiceSpec) {
	at := yamltree.Path{"spec"}
	c.hosts(at.At("hosts"), spec.Hosts)
	if len(spec.HTTP) == 0 && c.Clean(at) {
		c.Fail(at.At("http"), "is required: without a route no request goes anywhere", "")
	}
	for i, route := range spec.HTTP {
		here := at.At("http", i)
		c.route(here, route)
		if len(route.Match) == 0 && i < len(spec.HTTP)-1 {
			c.Warn(here, fmt.Sprintf("takes every request, so the routes after it are never reached (%d)", len(spec.HTTP)-1-i), "move it to the end or give it a match")
		}
	}
}

func (c *checker) hosts(at yamltree.Path, hosts []string) {
	if c.EmptyList(at) {
		c.Fail(at, "want at least one host", `write ["*"] for all`)
	}
	seen := map[string]bool{}
	for i, host := range hosts {
		if fix := hostMend(host, true); fix != "" && c.Clean(at.At(i)) {
			c.Fail(at.At(i), strconv.Quote(host)+" is not a host", fix)
		}
		if seen[strings.ToLower(host)] {
			c.Fail(at.At(i), strconv.Quote(host)+" stands twice", "keep one of them")
		}
		seen[strings.ToLower(host)] = true
	}
}

func (c *checker) route(at yamltree.Path, r HTTPRoute) {
	for i, match := range r.Match {
		c.match(at.At("match", i), match)
	}
	c.destinations(at.At("route"), r.Route)
	c.answer(at, r)
	c.retries(at, r)
	c.cors(at.At("corsPolicy"), r.CORS)
	c.fault(at.At("fault"), r.Fault)
}

func (c *checker) destinations(at yamltree.Path, route []RouteDestination) {
	if c.EmptyList(at) {
		c.Fail(at, "want at least one destination", "")
	}
	var sum int64
	for i, d := range route {
		c.destination(at.At(i, "destination"), d.Destination)
		sum += int64(d.Weight)
	}
	if len(route) < 2 || !c.Clean(at) {
		return
	}
	switch {
	case sum == 0:
		c.Fail(at, fmt.Sprintf("the weights of the %d destinations add up to 0, so no request goes anywhere", len(route)), "give each a weight")
	case sum != 100:
		c.Warn(at, fmt.Sprintf("the weights add up to %d, not 100: shares are weight/%d", sum, sum), "")
	}
}

func (c *checker) destination(at yamltree.Path, d Destination) {
	if fix := hostMend(d.Host, false); fix != "" && c.Clean(at.At("host")) {
		c.Fail(at.At("host"), strconv.Quote(d.Host)+" is not a host", fix)
	}
	if d.Subset != "" && !meta.IsLabel(d.Subset) {
		c.Fail(at.At("subset"), strconv.Quote(d.Subset)+" is not the name of a subset", "write at most 63 lower-case letters, digits and '-'")
	}
}

func (c *checker) retries(at yamltree.Path, r HTTPRoute) {
	if r.Retries == nil {
		return
	}
	here, retry := at.At("retries"), *r.Retries
	if retry.Attempts == 0 && c.Clean(here) && (retry.PerTryTimeout > 0 || retry.RetryOn != "" || retry.Backoff > 0) {
		c.Fail(here, "attempts is 0, which turns retries off, yet they are described", "write attempts, or attempts: 0 alone")
	}
	for _, word := range strings.Split(retry.RetryOn, ",") {
		c.condition(here.At("retryOn"), strings.TrimSpace(word))
	}
	switch tries := int64(retry.Attempts) + 1; {
	case r.Timeout == 0 || retry.PerTryTimeout == 0 || retry.Attempts == 0:
	case retry.PerTryTimeout > r.Timeout:
		c.Warn(here.At("perTryTimeout"), fmt.Sprintf("is never reached: the route's timeout of %s comes first", r.Timeout), "")
	case int64(r.Timeout)/int64(retry.PerTryTimeout) < tries:
		// Divided, not multiplied: the product may overflow.
		c.Warn(here, fmt.Sprintf("%d tries of up to %s do not fit into the route's timeout of %s, which ends the last ones early", tries, retry.PerTryTimeout, r.Timeout), "")
	}
}

// The words of Envoy's x-envoy-retry-on and x-envoy-retry-grpc-on.
var retryWords = []string{"5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited", "retriable-4xx",
	"refused-stream", "retriable-status-codes", "retriable-headers", "http3-post-connect-failure",
	"cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"}

func (c *checker) condition(at yamltree.Path, word string) {
	status, err := strconv.Atoi(word)
	if word == "" || slices.Contains(retryWords, word) || (err == nil && http.StatusText(status) != "") {
		return
	}
	fix := "known are " + strings.Join(retryWords, ", ") + " and status codes"
	if near := yamltree.Suggest(word, retryWords); near != "" {
		fix = "did you mean " + near + "?"
	}
	c.Fail(at, strconv.Quote(word)+" is not a condition for retries", fix)
}

func (c *checker) fault(at yamltree.Path, f *HTTPFault) {
	if f == nil {
		return
	}
	if f.Delay == nil && f.Abort == nil && c.Clean(at) {
		c.Fail(at, "want a delay or an abort", "")
	}
	if d := f.Delay; d != nil {
		here := at.At("delay")
		if d.Percentage == nil && d.Percent == 0 && c.Clean(here) {
			c.Warn(here, "without a percentage no request is delayed", "add percentage: {value: 100} to delay all")
		}
		if d.Percent != 0 {
			c.Warn(here.At("percent"), "Istio has deprecated this field", fmt.Sprintf("write percentage: {value: %d}", d.Percent))
		}
		c.percentage(here.At("percentage", "value"), d.Percentage)
	}
	if a := f.Abort; a != nil {
		if a.Percentage == nil && c.Clean(at.At("abort")) {
			c.Warn(at.At("abort"), "without a percentage no request is aborted", "add percentage: {value: 100} to abort all")
		}
		c.percentage(at.At("abort", "percentage", "value"), a.Percentage)
	}
}

func (c *checker) percentage(at yamltree.Path, p *Percent) {
	if p != nil && p.Value > 0 && p.Value < 0.0001 {
		c.Fail(at, fmt.Sprintf("want 0, or 0.0001 to 100, got %g", p.Value), "")
	}
}
