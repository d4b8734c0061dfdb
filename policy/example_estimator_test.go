package policy_test

import (
	"context"
	"fmt"

	"github.com/afloat-dev/afloat/policy"
)

// reported follows what the callee says of itself with its answers.
type reported struct{ free int }

func (r *reported) Observe(policy.AdaptiveSample) bool { return true }
func (r *reported) Bound(least, most int)              {} // the limit stays within Min and Max anyway
func (r *reported) Estimate() policy.AdaptiveEstimate {
	return policy.AdaptiveEstimate{Limit: r.free, Why: "the callee has said so"}
}

// A limit that follows what the callee reports instead of how long calls take.
func ExampleAdaptiveEstimator() {
	callee := &reported{free: 20}
	limit, err := policy.NewAdaptive(policy.AdaptiveConfig{
		Estimator: func(int) policy.AdaptiveEstimator { return callee },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, free := range []int{20, 8} {
		_, err := policy.Do(context.Background(), limit, func(context.Context) (int, error) {
			callee.free = free // which a program with several goroutines guards
			return 1, nil
		})
		_, _, most := limit.Counts()
		fmt.Println(most, "at once", err)
	}
	// Output:
	// 20 at once <nil>
	// 8 at once <nil>
}
