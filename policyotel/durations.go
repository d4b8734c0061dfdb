package policyotel

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/afloat-dev/afloat/internal/figure"
	"github.com/afloat-dev/afloat/policy"
)

// Durations measures how long calls take, in seconds, by how they ended: the
// histogram afloat.policy.call.duration with the attributes afloat.name and
// afloat.class. Its [Durations.Of] are policies. It is safe for concurrent use.
type Durations struct{ histogram metric.Float64Histogram }

// durationBounds are those that OpenTelemetry advises for the duration of
// requests, in seconds (semantic conventions for HTTP metrics).
var durationBounds = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}

// NewDurations returns a histogram without calls, of a provider; nil is
// OpenTelemetry's global one. The bounds of its buckets are those that
// OpenTelemetry advises for requests, from 5 ms to 10 s; a view of the provider
// may choose others.
func NewDurations(provider metric.MeterProvider) (*Durations, error) {
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	h, err := provider.Meter(scope).Float64Histogram("afloat.policy.call.duration", metric.WithUnit("s"),
		metric.WithDescription("Time until a call ended, by its class."), metric.WithExplicitBucketBoundaries(durationBounds...))
	if err != nil {
		return nil, fmt.Errorf("make instrument afloat.policy.call.duration: %w", err)
	}
	return &Durations{h}, nil
}

// Of returns a policy that measures what is further in, under a name such as
// the callee's: outside a Retry whole calls, inside each try. Call it once a
// name, not once a call.
func (d *Durations) Of(name string) policy.Policy {
	var by [policy.Shed + 1][]metric.RecordOption
	for class := range by {
		set := attribute.NewSet(attribute.String("afloat.name", name), attribute.String("afloat.class", policy.Class(class).String()))
		by[class] = []metric.RecordOption{metric.WithAttributeSet(set)}
	}
	return figure.Timed(func(ctx context.Context, class policy.Class, took time.Duration) {
		d.histogram.Record(ctx, took.Seconds(), by[class]...)
	})
}
