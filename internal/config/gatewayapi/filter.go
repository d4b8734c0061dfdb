package gatewayapi

// Filter changes requests or responses, or answers. The field that its type
// names is set.
type Filter struct {
	Type           FilterType      `yaml:"type" required:"true"`
	RequestHeader  *HeaderModifier `yaml:"requestHeaderModifier"`
	ResponseHeader *HeaderModifier `yaml:"responseHeaderModifier"`
	Mirror         *Mirror         `yaml:"requestMirror"`
	Redirect       *Redirect       `yaml:"requestRedirect"`
	Rewrite        *Rewrite        `yaml:"urlRewrite"`
	CORS           *CORS           `yaml:"cors"`
}

// FilterType is what a filter does.
type FilterType string

// What filters may do.
const (
	FilterRequestHeader  FilterType = "RequestHeaderModifier"
	FilterResponseHeader FilterType = "ResponseHeaderModifier"
	FilterMirror         FilterType = "RequestMirror"
	FilterRedirect       FilterType = "RequestRedirect"
	FilterRewrite        FilterType = "URLRewrite"
	FilterCORS           FilterType = "CORS"
)

// Enum lists the API's words; the checks refuse the last ones with their reason.
func (FilterType) Enum() []string {
	return []string{"RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror", "RequestRedirect", "URLRewrite", "CORS", "ExternalAuth", "ExtensionRef"}
}

// HeaderModifier changes fields: first those to set, then to add, then to
// remove.
type HeaderModifier struct {
	Set    []Header `yaml:"set"`
	Add    []Header `yaml:"add"`
	Remove []string `yaml:"remove"`
}

// Header is a field of a message.
type Header struct {
	Name  string `yaml:"name" required:"true"`
	Value string `yaml:"value" required:"true"`
}

// Mirror sends a share of the requests to another backend too.
type Mirror struct {
	BackendRef Ref       `yaml:"backendRef" required:"true"`
	Percent    *int32    `yaml:"percent" min:"0" max:"100"`
	Fraction   *Fraction `yaml:"fraction"`
}

// Fraction is numerator of denominator, which is 100 where it is not said.
type Fraction struct {
	Numerator   int32  `yaml:"numerator" required:"true" min:"0"`
	Denominator *int32 `yaml:"denominator" min:"1"`
}

// Share is the mirrored share of the requests, from 0 to 1.
func (m *Mirror) Share() float64 {
	switch f := m.Fraction; {
	case m.Percent != nil:
		return float64(*m.Percent) / 100
	case f == nil:
		return 1
	case f.Denominator == nil:
		return float64(f.Numerator) / 100
	default:
		return float64(f.Numerator) / float64(*f.Denominator)
	}
}

// Redirect sends the client elsewhere. Empty fields keep the request's.
type Redirect struct {
	Scheme   RedirectScheme `yaml:"scheme"`
	Hostname string         `yaml:"hostname"`
	Path     *PathModifier  `yaml:"path"`
	Port     int32          `yaml:"port" min:"1" max:"65535"`
	// StatusCode is 302 where it is not said.
	StatusCode int `yaml:"statusCode"`
}

// RedirectScheme is http or https.
type RedirectScheme string

// Enum lists the API's words.
func (RedirectScheme) Enum() []string { return []string{"http", "https"} }

// Rewrite changes what the backend is asked for.
type Rewrite struct {
	Hostname string        `yaml:"hostname"`
	Path     *PathModifier `yaml:"path"`
}

// PathModifier replaces the whole path, or the part that a match's prefix took.
type PathModifier struct {
	Type               PathModifierType `yaml:"type" required:"true"`
	ReplaceFullPath    *string          `yaml:"replaceFullPath"`
	ReplacePrefixMatch *string          `yaml:"replacePrefixMatch"`
}

// PathModifierType says which of the two.
type PathModifierType string

// The two.
const (
	ReplaceFullPath    PathModifierType = "ReplaceFullPath"
	ReplacePrefixMatch PathModifierType = "ReplacePrefixMatch"
)

// Enum lists the API's words.
func (PathModifierType) Enum() []string { return []string{"ReplaceFullPath", "ReplacePrefixMatch"} }
