package istio

import (
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/config/kube/meta"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// VirtualService says how the requests for some hosts are routed.
type VirtualService struct {
	Name      string
	Namespace string
	// Hosts are names, or "*" or "*.name" for many; at least one.
	Hosts []string
	// HTTP are the routes; the first that matches takes the request.
	HTTP []HTTPRoute
}

// ReadVirtualService reads a document for which [Reads] is true, verbatim,
// without environment variables. Paths in problems, also those that a caller
// adds with [yamltree.Document.Problem], begin at the document: spec.http[0].
func ReadVirtualService(doc *yamltree.Document) (VirtualService, yamltree.Problems) {
	var file struct {
		meta.Object `yaml:",inline"`
		Spec        virtualServiceSpec `yaml:"spec" required:"true"`
	}
	c := &checker{meta.Checker{Doc: doc, Problems: doc.Decode(&file, yamltree.Options{Verbatim: true})}}
	c.object(file.Object, KindVirtualService)
	c.virtualService(file.Spec)
	return VirtualService{
		Name: file.Metadata.Name, Namespace: file.Metadata.Namespace,
		Hosts: file.Spec.Hosts, HTTP: file.Spec.HTTP,
	}, c.Problems
}

type virtualServiceSpec struct {
	Hosts []string    `yaml:"hosts" required:"true"`
	HTTP  []HTTPRoute `yaml:"http"`
}

// HTTPRoute is one rule: which requests, and what becomes of them.
type HTTPRoute struct {
	Name string `yaml:"name"`
	// Match lists alternatives; empty means every request.
	Match []HTTPMatch `yaml:"match"`
	// Route shares the requests by weight; at least one, where neither Redirect
	// nor DirectResponse is set.
	Route          []RouteDestination  `yaml:"route"`
	Redirect       *HTTPRedirect       `yaml:"redirect"`
	DirectResponse *HTTPDirectResponse `yaml:"directResponse"`
	// Rewrite is nil where requests go as they came.
	Rewrite *HTTPRewrite `yaml:"rewrite"`
	Headers *Headers     `yaml:"headers"`
	// Mirror with its share is the older form of Mirrors; see [HTTPRoute.Copies].
	Mirror           *Destination `yaml:"mirror"`
	MirrorPercentage *Percent     `yaml:"mirrorPercentage"`
	MirrorPercent    *uint32      `yaml:"mirrorPercent" max:"100"`
	Mirrors          []HTTPMirror `yaml:"mirrors"`
	// CORS is nil where pages of other origins are the service's business.
	CORS *CORSPolicy `yaml:"corsPolicy"`
	// Timeout bounds a request with all its retries; 0 means none.
	Timeout time.Duration `yaml:"timeout" min:"1ms"`
	// Retries is nil where the document is silent; see [HTTPRoute.Tries].
	Retries *HTTPRetry `yaml:"retries"`
	// Fault is nil where no fault is injected.
	Fault *HTTPFault `yaml:"fault"`
}

// HTTPMatch is a condition on a request. All that is set must hold.
type HTTPMatch struct {
	Name      string       `yaml:"name"`
	URI       *StringMatch `yaml:"uri"`
	Scheme    *StringMatch `yaml:"scheme"`
	Method    *StringMatch `yaml:"method"`
	Authority *StringMatch `yaml:"authority"`
	// Headers must match; an empty StringMatch wants the header present.
	Headers map[string]StringMatch `yaml:"headers"`
	// WithoutHeaders must not match.
	WithoutHeaders map[string]StringMatch `yaml:"withoutHeaders"`
	QueryParams    map[string]StringMatch `yaml:"queryParams"`
	// IgnoreURICase concerns exact and prefix matches of URI.
	IgnoreURICase bool `yaml:"ignoreUriCase"`
}

// StringMatch compares a string in one way. At most one field is set.
type StringMatch struct {
	Exact  *string `yaml:"exact"`
	Prefix *string `yaml:"prefix"`
	// Regex is RE2 and must match the whole string.
	Regex *string `yaml:"regex"`
}

// Present tells whether nothing is compared: only presence is wanted.
func (m StringMatch) Present() bool { return m.Exact == nil && m.Prefix == nil && m.Regex == nil }

// RouteDestination is where a share of the requests goes.
type RouteDestination struct {
	Destination Destination `yaml:"destination" required:"true"`
	// Weight is the share in proportion to the sum of the weights. With a single
	// destination it does not matter; otherwise 0 means no requests.
	Weight  int32    `yaml:"weight" min:"0"`
	Headers *Headers `yaml:"headers"`
}

// Destination names a service, or a subset of it that a DestinationRule defines.
type Destination struct {
	Host   string        `yaml:"host" required:"true"`
	Subset string        `yaml:"subset"`
	Port   *PortSelector `yaml:"port"`
}

// PortSelector is a port of the destination's service.
type PortSelector struct {
	Number uint32 `yaml:"number" required:"true" min:"1" max:"65535"`
}

// HTTPRetry says how often and when a try that failed is repeated.
type HTTPRetry struct {
	// Attempts is the number of retries after the first try; 0 turns retries off.
	Attempts int32 `yaml:"attempts" min:"0"`
	// PerTryTimeout bounds each try; 0 means that only the route's timeout does.
	PerTryTimeout time.Duration `yaml:"perTryTimeout" min:"1ms"`
	// RetryOn is a list separated by commas; see [HTTPRetry.Conditions].
	RetryOn string `yaml:"retryOn"`
	// Backoff is the base of the wait between tries; 0 means Istio's 25ms.
	Backoff time.Duration `yaml:"backoff" min:"1ms"`
}

// What Istio does where the document is silent
// (pilot/pkg/networking/core/route/retry).
const (
	DefaultAttempts = 2
	DefaultRetryOn  = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
	DefaultBackoff  = 25 * time.Millisecond
)

// Tries returns the retries that Istio would make for the route, with the
// defaults filled in. Attempts is 0 where they are turned off.
func (r HTTPRoute) Tries() HTTPRetry {
	out := HTTPRetry{Attempts: DefaultAttempts}
	if r.Retries != nil {
		out = *r.Retries
	}
	if out.RetryOn == "" {
		out.RetryOn = DefaultRetryOn
	}
	if out.Backoff == 0 {
		out.Backoff = DefaultBackoff
	}
	return out
}

// Conditions returns the words of RetryOn, in which a number is a status code,
// or those of DefaultRetryOn if it is empty.
func (r HTTPRetry) Conditions() []string {
	text := r.RetryOn
	if text == "" {
		text = DefaultRetryOn
	}
	var out []string
	for _, word := range strings.Split(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			out = append(out, word)
		}
	}
	return out
}

// HTTPFault spoils a share of the requests before they are routed.
type HTTPFault struct {
	Delay *HTTPDelay `yaml:"delay"`
	Abort *HTTPAbort `yaml:"abort"`
}

// HTTPDelay holds a share of the requests back.
type HTTPDelay struct {
	FixedDelay time.Duration `yaml:"fixedDelay" required:"true" min:"1ms"`
	Percentage *Percent      `yaml:"percentage"`
	// Percent is the old form; it counts only without Percentage.
	Percent int32 `yaml:"percent" min:"0" max:"100"`
}

// Share returns the delayed share of the requests, from 0 to 1. Where the
// document names none, no request is delayed.
func (d HTTPDelay) Share() float64 {
	if d.Percentage != nil {
		return d.Percentage.Value / 100
	}
	return float64(d.Percent) / 100
}

// HTTPAbort answers a share of the requests with a status of its own.
type HTTPAbort struct {
	HTTPStatus int32    `yaml:"httpStatus" required:"true" min:"200" max:"599"`
	Percentage *Percent `yaml:"percentage"`
}

// Share returns the aborted share of the requests, from 0 to 1. Where the
// document names none, no request is aborted.
func (a HTTPAbort) Share() float64 {
	if a.Percentage == nil {
		return 0
	}
	return a.Percentage.Value / 100
}

// Percent is a share in percent; 0.1 is one in a thousand.
type Percent struct {
	Value float64 `yaml:"value" min:"0" max:"100"`
}
