package policyotel

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/afloat-dev/afloat/policy"
)

// collect returns the values of a metric, by the attributes in words.
func collect(t *testing.T, reader *sdk.ManualReader, name string) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			var points []metricdata.DataPoint[float64]
			switch data := m.Data.(type) {
			case metricdata.Sum[float64]:
				points = data.DataPoints
				if !data.IsMonotonic {
					t.Errorf("%s is no counter", name)
				}
			case metricdata.Gauge[float64]:
				points = data.DataPoints
			}
			for _, p := range points {
				got[p.Attributes.Encoded(attribute.DefaultEncoder())] = p.Value
			}
		}
	}
	return got
}

func TestMetricsReadWhatHappened(t *testing.T) {
	reader := sdk.NewManualReader()
	m := must(NewMetrics(sdk.NewMeterProvider(sdk.WithReader(reader))))
	breaker := must(policy.NewBreaker(policy.BreakerConfig{ConsecutiveFailures: 1}))
	retry := must(policy.NewRetry(policy.RetryConfig{Name: "again", Delay: 1}))
	m.Add("cart", policy.Chain(retry, breaker))
	_, _ = policy.Do(t.Context(), policy.Chain(retry, breaker), failing)

	for name, want := range map[string]map[string]float64{
		"afloat.policy.rejected": {
			"afloat.name=cart,afloat.policy=breaker,afloat.reason=open":     1,
			"afloat.name=cart,afloat.policy=breaker,afloat.reason=isolated": 0,
		},
		"afloat.policy.retries": {"afloat.name=cart/again,afloat.policy=retry": 1},
		"afloat.policy.breaker_state": {
			"afloat.name=cart,afloat.policy=breaker,afloat.state=closed":     0,
			"afloat.name=cart,afloat.policy=breaker,afloat.state=open":       1,
			"afloat.name=cart,afloat.policy=breaker,afloat.state=half-open":  0,
			"afloat.name=cart,afloat.policy=breaker,afloat.state=ramping-up": 0,
		},
	} {
		if diff := cmp.Diff(want, collect(t, reader, name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	m.Remove("cart")
	if got := collect(t, reader, "afloat.policy.rejected"); len(got) != 0 {
		t.Errorf("after Remove: %v", got)
	}
	m.Add("cart", breaker)
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if got := collect(t, reader, "afloat.policy.rejected"); len(got) != 0 {
		t.Errorf("after Close: %v", got)
	}
}

func TestMetricsWithoutASDKDoNothing(t *testing.T) {
	m := must(NewMetrics(nil))
	m.Add("cart", policy.Chain())
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}
