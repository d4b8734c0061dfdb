package trace

import (
	"cmp"
	"fmt"
	"net/url"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// Config says which traces are kept, and who gets them.
type Config struct {
	// Endpoint is the http:// or https:// URL of a collector that takes OTLP
	// over HTTP, such as http://127.0.0.1:4318. Without a path it is /v1/traces.
	// Required.
	Endpoint string `yaml:"endpoint"`
	// Sample is the share of the traces that are kept whatever comes of them.
	// Those further out are asked to keep the same ones. Negative: none. Default
	// 1%.
	Sample policy.Ratio `yaml:"sample"`
	// Slow is the time from which on a request is kept; those that failed always
	// are. Negative: never for that. Default 1s.
	Slow time.Duration `yaml:"slow"`
	// Name is what traces call this gateway. Default afloat.
	Name string `yaml:"name"`
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c Config) WithDefaults() Config {
	c.Sample = cmp.Or(c.Sample, 0.01)
	c.Slow = cmp.Or(c.Slow, time.Second)
	c.Name = cmp.Or(c.Name, "afloat")
	return c
}

// Share is the share of traces that begin here and are kept, 0 to 1.
func (c Config) Share() float64 { return max(0, float64(c.Sample)) }

// Validate returns a [policy.FieldError] for the first field that cannot be
// used.
func (c Config) Validate() error {
	u, err := url.Parse(c.Endpoint)
	switch {
	case c.Endpoint == "":
		return &policy.FieldError{Field: "endpoint", Problem: "is missing: want the URL of a collector, such as http://127.0.0.1:4318"}
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return &policy.FieldError{Field: "endpoint", Problem: fmt.Sprintf("want a URL such as http://127.0.0.1:4318, got %q", c.Endpoint)}
	case u.User != nil:
		return &policy.FieldError{Field: "endpoint", Problem: "has a password in it: send it as one of headers"}
	case !(c.Sample <= 1):
		return &policy.FieldError{Field: "sample", Problem: fmt.Sprintf("want at most 100%%, got %v", c.Sample)}
	}
	return nil
}

// target is the URL that traces are sent to.
func (c Config) target() string {
	u, _ := url.Parse(c.Endpoint) // validated
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	return u.String()
}
