package policy

import (
	"cmp"
	"slices"
	"time"
)

// Ordered is [Chain] for policies in any order: it puts them into that of
// [Check]. Of several Timeouts the longest bounds the whole call, and the others
// each try; one alone bounds each try. Policies of one kind keep their order, and
// one of another package stays right outside of the policy that it was given
// before.
func Ordered(policies ...Policy) *Pipeline {
	p := Chain(policies...)
	ordered := Chain(inSafeOrder(p.steps)...)
	ordered.classify = p.classify
	return ordered
}

// InOrder returns the policies as [Ordered] puts them, for those who take a list,
// such as an HTTP transport. The Classifiers of Pipelines among them are dropped.
func InOrder(policies ...Policy) []Policy { return inSafeOrder(Chain(policies...).steps) }

func inSafeOrder(steps []Policy) []Policy {
	type ranked struct {
		policy Policy
		rank   int
	}
	whole := wholeTimeout(steps)
	all, rank := make([]ranked, len(steps)), rankOf(timeoutKind)
	for i, step := range slices.Backward(steps) {
		switch k := kindOf(step); {
		case k == timeoutKind && i == whole:
			rank = rankOf(rateLimitKind) + 1
		case k == timeoutKind:
			rank = rankOf(throttleKind) + 1
		case k != foreign:
			rank = rankOf(k)
		}
		all[i] = ranked{step, rank}
	}
	slices.SortStableFunc(all, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	ordered := make([]Policy, len(all))
	for i := range all {
		ordered[i] = all[i].policy
	}
	return ordered
}

// rankOf leaves room for a Timeout behind each kind.
func rankOf(k kind) int { return 2 * int(k) }

// wholeTimeout is the place of the Timeout for the whole call; -1 for none.
func wholeTimeout(steps []Policy) int {
	place, most, n := -1, time.Duration(0), 0
	for i, step := range steps {
		if t, ok := step.(*Timeout); ok {
			n++
			if d := t.setting.Load().Timeout; d > most {
				place, most = i, d
			}
		}
	}
	if n < 2 {
		return -1
	}
	return place
}
