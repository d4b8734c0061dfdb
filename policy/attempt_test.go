package policy

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func TestAttemptIsTheNumberOfTheTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if n := Attempt(t.Context()); n != 1 {
			t.Errorf("%d under no retry", n)
		}
		var seen []int
		note := policyFunc(func(ctx context.Context, next Next) Result {
			seen = append(seen, Attempt(ctx))
			return next.Do(ctx)
		})
		p := Chain(mustRetry(t, plain(1)), note, mustRetry(t, plain(2)), note)
		_, _ = Do(t.Context(), p, failing)
		if diff := cmp.Diff([]int{1, 1, 2, 3, 2, 1, 2, 3}, seen); diff != "" {
			t.Error(diff)
		}
	})
}
