package config

import (
	"errors"
	"fmt"

	"github.com/afloat-dev/afloat/internal/signal/trace"
	"github.com/afloat-dev/afloat/policy"
)

// TracingConfig sends traces of requests to a collector.
type TracingConfig struct {
	trace.Config `yaml:",inline"`
	// Headers go with what is sent to the collector, such as a token. Default:
	// none.
	Headers map[string]Secret `yaml:"headers"`
}

// checkTracing looks at the fields, and fills in the defaults.
func (a *assembler) checkTracing() {
	c := a.out.Tracing
	if c == nil {
		return
	}
	var e *policy.FieldError
	if err := c.Validate(); errors.As(err, &e) {
		a.report(a.places["tracing"].at(e.Field).problem(e.Problem, ""))
	}
	filled := *c
	filled.Config = c.WithDefaults()
	a.out.Tracing = &filled
}

// explainTracing says which traces are sent, and to whom.
func explainTracing(c *TracingConfig) string {
	kept := "those that fail"
	if c.Slow > 0 {
		kept += " or take " + short(c.Slow)
	}
	return fmt.Sprintf("Traces of %v of the requests, and of all %s, go to %s.", policy.Ratio(c.Share()), kept, c.Endpoint)
}
