package istio

import (
	"strconv"
	"time"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// CORSPolicy says which pages of other origins may use a route.
type CORSPolicy struct {
	// AllowOrigins are compared with a request's origin; exact: "*" is any.
	AllowOrigins     []StringMatch `yaml:"allowOrigins"`
	AllowMethods     []string      `yaml:"allowMethods"`
	AllowHeaders     []string      `yaml:"allowHeaders"`
	ExposeHeaders    []string      `yaml:"exposeHeaders"`
	MaxAge           time.Duration `yaml:"maxAge" min:"1s"`
	AllowCredentials bool          `yaml:"allowCredentials"`
	// UnmatchedPreflights says whether the service is asked for other origins.
	UnmatchedPreflights UnmatchedPreflights `yaml:"unmatchedPreflights"`
}

// UnmatchedPreflights is what becomes of preflights of other origins.
type UnmatchedPreflights string

// Enum lists the API's words; UNSPECIFIED is FORWARD.
func (UnmatchedPreflights) Enum() []string { return []string{"UNSPECIFIED", "FORWARD", "IGNORE"} }

func (CORSPolicy) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"allowOrigin": {Severity: yamltree.Error, Word: "Istio has deprecated this field", Fix: "write allowOrigins: [{exact: ...}]"},
	}
}

func (c *checker) cors(at yamltree.Path, p *CORSPolicy) {
	if p == nil {
		return
	}
	if len(p.AllowOrigins) == 0 && c.Clean(at) {
		c.Fail(at, "allows no origin, so it only takes away what services say", "write allowOrigins: [{exact: https://shop.example}]")
	}
	for i, o := range p.AllowOrigins {
		here := at.At("allowOrigins", i)
		if o.Present() && c.Clean(here) {
			c.Fail(here, "want one of exact, prefix and regex", "")
		}
		c.stringMatch(here, o, false)
	}
	for name, list := range map[string][]string{"allowMethods": p.AllowMethods, "allowHeaders": p.AllowHeaders, "exposeHeaders": p.ExposeHeaders} {
		for i, one := range list {
			if !headerPattern.MatchString(one) {
				c.Fail(at.At(name, i), strconv.Quote(one)+" is not a name", "")
			}
		}
	}
}
