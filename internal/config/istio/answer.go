package istio

// HTTPRedirect sends clients elsewhere. Empty fields keep the request's.
type HTTPRedirect struct {
	// URI takes the place of the whole path.
	URI string `yaml:"uri"`
	// Authority takes the place of the host, and may name a port.
	Authority string `yaml:"authority"`
	Port      uint32 `yaml:"port" min:"1" max:"65535"`
	// DerivePort says which port where none is named.
	DerivePort DerivePort     `yaml:"derivePort"`
	Scheme     RedirectScheme `yaml:"scheme"`
	// RedirectCode is 301 where it is not said.
	RedirectCode uint32 `yaml:"redirectCode"`
}

// DerivePort says where a redirect's port comes from. Empty means
// FROM_PROTOCOL_DEFAULT.
type DerivePort string

// Enum lists Istio's words.
func (DerivePort) Enum() []string { return []string{"FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"} }

// RedirectScheme is http or https.
type RedirectScheme string

// Enum lists Istio's words.
func (RedirectScheme) Enum() []string { return []string{"http", "https"} }

// HTTPDirectResponse answers without asking anybody.
type HTTPDirectResponse struct {
	Status uint32    `yaml:"status" required:"true" min:"200" max:"599"`
	Body   *HTTPBody `yaml:"body"`
}

// HTTPBody is what is answered.
type HTTPBody struct {
	String string `yaml:"string"`
}

// HTTPRewrite changes what the destination is asked for.
type HTTPRewrite struct {
	// URI takes the place of the prefix that the match compared the path with, or
	// of the whole path where it compared that.
	URI             string        `yaml:"uri"`
	Authority       string        `yaml:"authority"`
	URIRegexRewrite *RegexRewrite `yaml:"uriRegexRewrite"`
}

// RegexRewrite replaces what an RE2 matches; \1 stands for its first group.
type RegexRewrite struct {
	Match   string `yaml:"match" required:"true"`
	Rewrite string `yaml:"rewrite"`
}

// Headers change the fields of requests and responses.
type Headers struct {
	Request  *HeaderOperations `yaml:"request"`
	Response *HeaderOperations `yaml:"response"`
}

// HeaderOperations change fields.
type HeaderOperations struct {
	Set    map[string]string `yaml:"set"`
	Add    map[string]string `yaml:"add"`
	Remove []string          `yaml:"remove"`
}

// HTTPMirror sends copies of a share of the requests to another destination.
type HTTPMirror struct {
	Destination Destination `yaml:"destination" required:"true"`
	Percentage  *Percent    `yaml:"percentage"`
}

// Copies returns where copies of the route's requests go, in the newer form.
func (r *HTTPRoute) Copies() []HTTPMirror {
	if r.Mirror == nil {
		return r.Mirrors
	}
	one := HTTPMirror{Destination: *r.Mirror, Percentage: r.MirrorPercentage}
	if one.Percentage == nil && r.MirrorPercent != nil {
		one.Percentage = &Percent{Value: float64(*r.MirrorPercent)}
	}
	return append([]HTTPMirror{one}, r.Mirrors...)
}

// Share returns the copied share of the requests, from 0 to 1.
func (m *HTTPMirror) Share() float64 {
	if m.Percentage == nil {
		return 1
	}
	return m.Percentage.Value / 100
}
