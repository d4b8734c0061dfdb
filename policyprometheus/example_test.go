package policyprometheus_test

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/afloat-dev/afloat/policy"
	"github.com/afloat-dev/afloat/policyprometheus"
)

func Example() {
	bulkhead, err := policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: 10})
	if err != nil {
		panic(err)
	}
	durations := policyprometheus.NewDurations(policyprometheus.DurationsConfig{})
	chain := policy.Chain(durations.Of("database"), bulkhead)

	policies := policyprometheus.NewCollector()
	policies.Add("database", chain)
	registry := prometheus.NewRegistry()
	registry.MustRegister(policies, durations)

	_, _ = policy.Do(context.Background(), chain, func(context.Context) (int, error) {
		return fmt.Println(testutil.GatherAndCount(registry, "afloat_policy_in_flight"))
	})
	fmt.Println(testutil.GatherAndCount(registry, "afloat_policy_call_duration_seconds"))
	// Output:
	// 1 <nil>
	// 4 <nil>
}

// What calls took, by how they ended, beside the policies that they went through.
func ExampleDurations() {
	durations := policyprometheus.NewDurations(policyprometheus.DurationsConfig{Buckets: []float64{0.01, 0.1, 1}})
	registry := prometheus.NewRegistry()
	registry.MustRegister(durations)
	retry, err := policy.NewRetry(policy.RetryConfig{})
	if err != nil {
		panic(err)
	}
	// Outside of the Retry it measures calls, and inside tries.
	chain := policy.Chain(durations.Of("cart"), retry, durations.Of("cart try"))
	fmt.Println(policy.Do(context.Background(), chain, func(context.Context) (string, error) { return "two apples", nil }))
	fmt.Println(testutil.GatherAndCount(registry, "afloat_policy_call_duration_seconds"))
	// Output:
	// two apples <nil>
	// 8 <nil>
}
