package policyprometheus

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/afloat-dev/afloat/internal/figure"
	"github.com/afloat-dev/afloat/policy"
)

// DurationsConfig configures [Durations]. Zero fields take the default beside
// them.
type DurationsConfig struct {
	// Buckets are the upper bounds of the histogram in seconds. Default
	// [prometheus.DefBuckets].
	Buckets []float64
	// NativeFactor makes a native histogram as well, whose buckets grow by that
	// factor, such as 1.1. Default 0: none.
	NativeFactor float64
}

// Durations measures how long calls take, by how they ended. It is a
// [prometheus.Collector]; its [Durations.Of] are policies.
type Durations struct{ *prometheus.HistogramVec }

// NewDurations returns a histogram without calls.
func NewDurations(c DurationsConfig) *Durations {
	return &Durations{prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: prefix + "call_duration_seconds", Help: "Time until a call ended, by its class.",
		Buckets: c.Buckets, NativeHistogramBucketFactor: c.NativeFactor, NativeHistogramMaxBucketNumber: nativeBucketsMax,
	}, []string{"name", "class"})}
}

// nativeBucketsMax bounds the memory of a native histogram.
const nativeBucketsMax = 160

// Of returns a policy that measures what is further in, under a name such as
// the callee's: outside a Retry whole calls, inside each try. Call it once a
// name, not once a call.
func (d *Durations) Of(name string) policy.Policy {
	var by [policy.Shed + 1]prometheus.Observer
	for class := range by {
		by[class] = d.WithLabelValues(name, policy.Class(class).String())
	}
	return figure.Timed(func(_ context.Context, class policy.Class, took time.Duration) { by[class].Observe(took.Seconds()) })
}
