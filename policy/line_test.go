package policy

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Whatever joins and leaves, the line knows who is first, last and how many,
// in the order of arrival and of every user.
func TestLineStaysWholeUnderRandomUse(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	var l line
	var in []*waiter
	for n := range 20_000 {
		if len(in) == 0 || rng.IntN(2) == 0 && len(in) < 30 {
			w := newWaiter()
			w.rank, w.key, w.since = rng.IntN(ranks), []string{"", "a", "b", "c"}[rng.IntN(4)], time.Duration(n)
			l.push(w)
			if q := &l.ranks[w.rank]; w.user.count == 1 && rng.IntN(2) == 0 {
				q.goesFirst(w.user)
			} else if rng.IntN(3) == 0 {
				q.tookTurn(w.user)
			}
			in = append(in, w)
		} else {
			i := rng.IntN(len(in))
			l.remove(in[i])
			in = slices.Delete(in, i, i+1)
		}
		if err := wholeLine(&l, in); err != nil {
			t.Fatal(err)
		}
	}
}

// wholeLine compares a line with those who should be in it, in the order of
// their arrival.
func wholeLine(l *line, in []*waiter) error {
	if l.length != len(in) {
		return fmt.Errorf("the length is %d, want %d", l.length, len(in))
	}
	for rank := range ranks {
		byUser := map[string][]*waiter{}
		for _, w := range in {
			if w.rank == rank {
				byUser[w.key] = append(byUser[w.key], w)
			}
		}
		q := &l.ranks[rank]
		turns, most := 0, 0
		for u := range users(q) {
			turns++
			if u.count != len(byUser[u.key]) || q.longest[u.place] != u || !inOrder(&u.waiting, byUser[u.key]) {
				return fmt.Errorf("user %q has %d waiting, want %d in the order of arrival", u.key, u.count, len(byUser[u.key]))
			}
			most = max(most, u.count)
		}
		if turns != len(byUser) || len(q.longest) != turns || len(q.users) > turns || most > 0 && q.longest[0].count != most {
			return fmt.Errorf("rank %d has turns for %d of %d users, and knows %d", rank, turns, len(byUser), len(q.users))
		}
	}
	byRank := func(a, b *waiter) int { return a.rank - b.rank }
	if len(in) > 0 && (l.first() != slices.MinFunc(in, byRank).rank || l.last() != slices.MaxFunc(in, byRank).rank) {
		return fmt.Errorf("first is %d and last %d", l.first(), l.last())
	}
	return nil
}

// users are those of whom a queue has a turn.
func users(q *queue) iter.Seq[*user] {
	return func(yield func(*user) bool) {
		for _, l := range []list[user]{q.fresh, q.turns} {
			for u := l.oldest; u != nil; u = u.inTurn.behind {
				if !yield(u) {
					return
				}
			}
		}
	}
}

func inOrder(l *list[waiter], want []*waiter) bool {
	w := l.oldest
	for _, next := range want {
		if w != next {
			return false
		}
		w = w.inUser.behind
	}
	return w == nil && (len(want) == 0 && l.newest == nil || len(want) > 0 && l.newest == want[len(want)-1])
}
