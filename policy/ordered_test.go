package policy

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"
)

// TestOrderedIsTheSafeOrderWhateverTheOrderGiven shuffles some of all policies.
func TestOrderedIsTheSafeOrderWhateverTheOrderGiven(t *testing.T) {
	property(t, 500, func(t *testing.T, random *rand.Rand) {
		all := safeOrder()
		for i, d := range map[int]time.Duration{4: time.Minute, 12: time.Second} {
			all[i] = mustTimeout(t, TimeoutConfig{Timeout: d})
		}
		var want, given []Policy
		for _, p := range all {
			if random.IntN(3) > 0 {
				want = append(want, p)
			}
		}
		for _, i := range random.Perm(len(want)) {
			given = append(given, want[i])
		}
		got := InOrder(given...)
		if len(got) != len(want) {
			t.Fatalf("%d policies of %d", len(got), len(want))
		}
		timeouts := 0
		for i := range want {
			if _, ok := want[i].(*Timeout); ok {
				timeouts++
			}
		}
		for i := range want {
			if timeouts != 1 && got[i] != want[i] {
				t.Errorf("%d is a %v, want a %v", i, kindOf(got[i]), kindOf(want[i]))
			}
		}
		if w := Ordered(given...).Check(); w != nil {
			t.Errorf("%v", w)
		}
	})
}

func TestOrderedKeepsWhatBelongsTogether(t *testing.T) {
	outermost, inside, innermost := &named{"outermost"}, &named{"inside"}, &named{"innermost"}
	first, second := new(Breaker), new(Breaker)
	retry, fallback := mustRetry(t, RetryConfig{}), new(Fallback)
	got := InOrder(retry, inside, first, second, nil, Chain(outermost, fallback), innermost)
	for i, want := range []Policy{outermost, fallback, retry, inside, first, second, innermost} {
		if got[i] != want {
			t.Errorf("%d is a %T, want a %T", i, got[i], want)
		}
	}
	odd := func(context.Context, any, error) (Class, time.Duration) { return Failure, 0 }
	tries := 0
	_, _ = Do(t.Context(), Ordered(retry, Chain().Classified(odd)), func(context.Context) (int, error) { tries++; return 0, nil })
	if tries != 3 {
		t.Errorf("%d tries: the Classifier is lost", tries)
	}
}

// named is a policy of another package.
type named struct{ name string }

func (*named) Do(ctx context.Context, next Next) Result { return next.Do(ctx) }
