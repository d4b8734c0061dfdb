package gatewayapi

import (
	"time"

	"github.com/afloat-dev/afloat/internal/config/kube/meta"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// HTTPRoute says how the requests for some hosts are routed.
type HTTPRoute struct {
	Name      string
	Namespace string
	// Hostnames are names, or "*.name" for all below; none means every host.
	Hostnames []string
	Rules     []HTTPRule
}

// ReadHTTPRoute reads a document for which [Reads] is true, verbatim, without
// environment variables.
func ReadHTTPRoute(doc *yamltree.Document) (HTTPRoute, yamltree.Problems) {
	var file struct {
		meta.Object `yaml:",inline"`
		Spec        httpRouteSpec `yaml:"spec" required:"true"`
	}
	c := &checker{meta.Checker{Doc: doc, Problems: doc.Decode(&file, yamltree.Options{Verbatim: true})}}
	c.object(file.Object)
	c.httpRoute(file.Spec)
	return HTTPRoute{
		Name: file.Metadata.Name, Namespace: file.Metadata.Namespace,
		Hostnames: file.Spec.Hostnames, Rules: file.Spec.Rules,
	}, c.Problems
}

// ParentRef names the Gateway that a route belongs to, which is Afloat.
type ParentRef struct {
	Group     string `yaml:"group"`
	Kind      string `yaml:"kind"`
	Name      string `yaml:"name" required:"true"`
	Namespace string `yaml:"namespace"`
}

type httpRouteSpec struct {
	ParentRefs []ParentRef `yaml:"parentRefs"`
	Hostnames  []string    `yaml:"hostnames"`
	Rules      []HTTPRule  `yaml:"rules"`
}

// HTTPRule is which requests, and what becomes of them.
type HTTPRule struct {
	Name string `yaml:"name"`
	// Matches lists alternatives; empty means every request.
	Matches []HTTPMatch `yaml:"matches"`
	// Filters change requests and responses, or answer.
	Filters []Filter `yaml:"filters"`
	// BackendRefs share the requests by weight.
	BackendRefs []Backend `yaml:"backendRefs"`
	// Timeouts is nil where the document is silent.
	Timeouts *Timeouts `yaml:"timeouts"`
	// Retry is nil where the document is silent.
	Retry *Retry `yaml:"retry"`
	// SessionPersistence is nil where requests go anywhere.
	SessionPersistence *SessionPersistence `yaml:"sessionPersistence"`
}

// HTTPMatch is a condition on a request. All that is set must hold.
type HTTPMatch struct {
	Path        *PathMatch   `yaml:"path"`
	Headers     []ValueMatch `yaml:"headers"`
	QueryParams []ValueMatch `yaml:"queryParams"`
	Method      string       `yaml:"method"`
}

// PathMatch compares the path. Empty fields mean PathPrefix and /.
type PathMatch struct {
	Type  PathMatchType `yaml:"type"`
	Value *string       `yaml:"value"`
}

// PathMatchType is a way to compare paths.
type PathMatchType string

// The ways to compare paths.
const (
	PathExact  PathMatchType = "Exact"
	PathPrefix PathMatchType = "PathPrefix"
	PathRegex  PathMatchType = "RegularExpression"
)

// Enum lists the API's words.
func (PathMatchType) Enum() []string { return []string{"Exact", "PathPrefix", "RegularExpression"} }

// Kind is the way to compare, with its default.
func (p *PathMatch) Kind() PathMatchType {
	if p == nil || p.Type == "" {
		return PathPrefix
	}
	return p.Type
}

// Text is what is compared with, with its default.
func (p *PathMatch) Text() string {
	if p == nil || p.Value == nil {
		return "/"
	}
	return *p.Value
}

// ValueMatch compares a header or a parameter.
type ValueMatch struct {
	Type  ValueMatchType `yaml:"type"`
	Name  string         `yaml:"name" required:"true"`
	Value string         `yaml:"value" required:"true"`
}

// ValueMatchType is a way to compare values. Empty means Exact.
type ValueMatchType string

// The ways to compare values.
const (
	ValueExact ValueMatchType = "Exact"
	ValueRegex ValueMatchType = "RegularExpression"
)

// Enum lists the API's words.
func (ValueMatchType) Enum() []string { return []string{"Exact", "RegularExpression"} }

// Backend is where a share of the requests goes.
type Backend struct {
	Ref `yaml:",inline"`
	// Weight is the share in proportion to the sum of the weights; nil means 1.
	Weight *int32 `yaml:"weight" min:"0" max:"1000000"`
	// Filters are for the requests that go there.
	Filters []Filter `yaml:"filters"`
}

// Share is the backend's weight with its default.
func (b *Backend) Share() int {
	if b.Weight == nil {
		return 1
	}
	return int(*b.Weight)
}

// Ref names a Service.
type Ref struct {
	Group     string `yaml:"group"`
	Kind      string `yaml:"kind"`
	Name      string `yaml:"name" required:"true"`
	Namespace string `yaml:"namespace"`
	Port      int32  `yaml:"port" min:"1" max:"65535"`
}

// Timeouts bound a request, and a try of it; nil where the document is silent,
// and 0 for none.
type Timeouts struct {
	Request        *time.Duration `yaml:"request" min:"0s"`
	BackendRequest *time.Duration `yaml:"backendRequest" min:"0s"`
}

// Retry says what is repeated, and how often.
type Retry struct {
	// Codes are statuses; empty means failed connections alone.
	Codes []int `yaml:"codes"`
	// Attempts is the number of retries after the first try; nil means the
	// implementation's, and 0 none.
	Attempts *int `yaml:"attempts" min:"0"`
	// Backoff is the base of the wait between tries; 0 means the implementation's.
	Backoff time.Duration `yaml:"backoff" min:"0s"`
}

// SessionPersistence keeps a client's requests at one endpoint.
type SessionPersistence struct {
	SessionName     string          `yaml:"sessionName"`
	Type            PersistenceType `yaml:"type"`
	AbsoluteTimeout time.Duration   `yaml:"absoluteTimeout" min:"0s"`
	CookieConfig    *CookieConfig   `yaml:"cookieConfig"`
}

// PersistenceType is what carries the session. Empty means Cookie.
type PersistenceType string

// What may carry it.
const (
	PersistCookie PersistenceType = "Cookie"
	PersistHeader PersistenceType = "Header"
)

// Enum lists the API's words.
func (PersistenceType) Enum() []string { return []string{"Cookie", "Header"} }

// CookieConfig is how long the cookie lives.
type CookieConfig struct {
	LifetimeType CookieLifetime `yaml:"lifetimeType"`
}

// CookieLifetime is until when a client keeps the cookie. Empty means Session.
type CookieLifetime string

// Enum lists the API's words.
func (CookieLifetime) Enum() []string { return []string{"Session", "Permanent"} }
