package policyotel

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/afloat-dev/afloat/policy"
)

func TestDurationsAreByNameAndClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := metric.NewManualReader()
		durations := must(NewDurations(metric.NewMeterProvider(metric.WithReader(reader))))
		cart, pay := durations.Of("cart"), durations.Of("pay")
		after := func(d time.Duration, err error) func(context.Context) (int, error) {
			return func(context.Context) (int, error) { time.Sleep(d); return 0, err }
		}
		for range 3 {
			_, _ = policy.Do(t.Context(), cart, after(20*time.Millisecond, nil))
		}
		_, _ = policy.Do(t.Context(), cart, after(2*time.Second, errors.New("down")))
		_, _ = policy.Do(t.Context(), pay, after(time.Second, nil))
		func() {
			defer func() { _ = recover() }()
			_, _ = policy.Do(t.Context(), pay, func(context.Context) (int, error) { panic("a mistake") })
		}()
		var all metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		got := map[string][2]float64{}
		for _, m := range all.ScopeMetrics[0].Metrics {
			if m.Name != "afloat.policy.call.duration" || m.Unit != "s" {
				t.Errorf("%s in %s", m.Name, m.Unit)
			}
			for _, p := range m.Data.(metricdata.Histogram[float64]).DataPoints {
				name, _ := p.Attributes.Value("afloat.name")
				class, _ := p.Attributes.Value("afloat.class")
				got[name.AsString()+" "+class.AsString()] = [2]float64{float64(p.Count), p.Sum}
			}
		}
		for key, want := range map[string][2]float64{"cart success": {3, .06}, "cart failure": {1, 2}, "pay success": {1, 1}, "pay failure": {1, 0}} {
			if g := got[key]; g[0] != want[0] || g[1] < want[1]-1e-9 || g[1] > want[1]+1e-9 {
				t.Errorf("%s: got %v calls of %v s together, want %v", key, g[0], g[1], want)
			}
		}
	})
}
