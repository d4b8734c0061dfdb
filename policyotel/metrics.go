package policyotel

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/afloat-dev/afloat/internal/figure"
	"github.com/afloat-dev/afloat/policy"
)

// Metrics reports the counts and states of policies through instruments that
// are read when they are collected, so that it costs the policies' calls
// nothing. It is safe for concurrent use.
//
// Each metric has the attributes afloat.policy, which is the kind, and
// afloat.name. Policies that go by keys have figures of all keys together.
type Metrics struct {
	set          figure.Set
	instruments  map[*figure.Desc]metric.Float64Observable
	registration metric.Registration
}

// NewMetrics returns Metrics without policies, of instruments of a provider;
// nil is OpenTelemetry's global one.
func NewMetrics(provider metric.MeterProvider) (*Metrics, error) {
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	m := &Metrics{instruments: make(map[*figure.Desc]metric.Float64Observable)}
	meter := provider.Meter(scope)
	var all []metric.Observable
	for _, d := range figure.Descs() {
		i, err := instrument(meter, d)
		if err != nil {
			return nil, fmt.Errorf("make instrument %s: %w", d.Name, err)
		}
		m.instruments[d] = i
		all = append(all, i)
	}
	var err error
	if m.registration, err = meter.RegisterCallback(m.observe, all...); err != nil {
		return nil, fmt.Errorf("register instruments: %w", err)
	}
	return m, nil
}

func instrument(meter metric.Meter, d *figure.Desc) (metric.Float64Observable, error) {
	name := "afloat.policy." + d.Name
	if d.Counter {
		return meter.Float64ObservableCounter(name, metric.WithDescription(d.Help), metric.WithUnit(d.Unit))
	}
	return meter.Float64ObservableGauge(name, metric.WithDescription(d.Help), metric.WithUnit(d.Unit))
}

// Add has the metrics report policies, and those that pipelines among them
// consist of, under a name such as the callee's. A policy's own name follows
// it: cart/try. Those that had the name before are replaced. A policy that was
// added several times is reported once.
func (m *Metrics) Add(name string, policies ...policy.Policy) { m.set.Add(name, policies...) }

// Remove ends the report of what was added under a name.
func (m *Metrics) Remove(name string) { m.set.Remove(name) }

// Close ends the report.
func (m *Metrics) Close() error { return m.registration.Unregister() }

func (m *Metrics) observe(_ context.Context, o metric.Observer) error {
	m.set.Read(func(kind, name string, f figure.Figure) {
		attributes := []attribute.KeyValue{attribute.String("afloat.policy", kind), attribute.String("afloat.name", name)}
		if f.Label != "" {
			attributes = append(attributes, attribute.String("afloat."+f.Label, f.Of))
		}
		o.ObserveFloat64(m.instruments[f.Desc], f.Value, metric.WithAttributes(attributes...))
	})
	return nil
}
