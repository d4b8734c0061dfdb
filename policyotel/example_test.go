package policyotel_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/afloat-dev/afloat/policy"
	"github.com/afloat-dev/afloat/policyotel"
)

func ExampleSpans() {
	retry, err := policy.NewRetry(policy.RetryConfig{})
	if err != nil {
		panic(err)
	}
	spans, err := policyotel.NewSpans(policyotel.SpansConfig{Name: "cart"})
	if err != nil {
		panic(err)
	}
	chain := policy.Chain(spans.Call(), retry, spans.Try())
	fmt.Println(policy.Do(context.Background(), chain, func(context.Context) (string, error) { return "two apples", nil }))
	// Output: two apples <nil>
}

// A program gives its own provider, or nil for the global one.
func ExampleMetrics() {
	reader := metric.NewManualReader()
	metrics, err := policyotel.NewMetrics(metric.NewMeterProvider(metric.WithReader(reader)))
	if err != nil {
		panic(err)
	}
	defer func() { _ = metrics.Close() }()
	breaker, err := policy.NewBreaker(policy.BreakerConfig{})
	if err != nil {
		panic(err)
	}
	metrics.Add("cart", breaker)
	breaker.Trip("a test")
	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		panic(err)
	}
	for _, m := range all.ScopeMetrics[0].Metrics {
		if m.Name == "afloat.policy.breaker_opened" {
			fmt.Println(m.Name, m.Data.(metricdata.Sum[float64]).DataPoints[0].Value)
		}
	}
	// Output: afloat.policy.breaker_opened 1
}
