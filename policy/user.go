package policy

import (
	"container/heap"
	"hash/maphash"
	"time"
)

// user is on whose behalf calls of one priority wait in a line, while any do.
type user struct {
	key     string
	waiting list[waiter]
	count   int
	began   time.Duration // since when somebody has always been waiting
	shed    time.Duration // when a call was last turned away; 0: none was

	fresh  bool // is in the list of those, not of turns
	inTurn links[user]
	place  int // in longestFirst
}

func ofTurn(u *user) *links[user] { return &u.inTurn }

// userOf returns the user with the key, a new one if nobody waits for it.
func (q *queue) userOf(key string) *user {
	if key == "" {
		return &q.nobody
	}
	if u := q.users[key]; u != nil {
		return u
	}
	if q.users == nil {
		q.users = make(map[string]*user)
	}
	u := &user{key: key}
	q.users[key] = u
	return u
}

// waitingFor is how many calls wait on behalf of a key.
func (q *queue) waitingFor(key string) int {
	if key == "" {
		return q.nobody.count
	}
	if u := q.users[key]; u != nil {
		return u.count
	}
	return 0
}

// push puts a waiter among those of its user. A user who had none comes after
// all others.
func (q *queue) push(w *waiter) {
	u := q.userOf(w.key)
	w.user = u
	u.waiting.push(w, ofUser)
	if u.count++; u.count > 1 {
		heap.Fix(&q.longest, u.place)
		return
	}
	if u.began = w.since; len(q.longest) == 0 {
		q.began = w.since
	}
	q.turns.push(u, ofTurn)
	heap.Push(&q.longest, u)
}

// next is the user whose turn it is; nil if nobody waits.
func (q *queue) next() *user {
	if q.fresh.newest != nil {
		return q.fresh.newest
	}
	return q.turns.oldest
}

// patient is the user whose turn it would be if nobody came before all others.
func (q *queue) patient() *user {
	turn, fresh := q.turns.oldest, q.fresh.oldest
	if turn == nil || fresh != nil && fresh.waiting.oldest.since < turn.waiting.oldest.since {
		return fresh
	}
	return turn
}

func (q *queue) remove(w *waiter) {
	u := w.user
	w.user = nil
	u.waiting.remove(w, ofUser)
	if u.count--; u.count > 0 {
		heap.Fix(&q.longest, u.place)
		return
	}
	q.leaveTurns(u)
	heap.Remove(&q.longest, u.place)
	delete(q.users, u.key)
}

func (q *queue) leaveTurns(u *user) {
	if u.fresh {
		q.fresh.remove(u, ofTurn)
	} else {
		q.turns.remove(u, ofTurn)
	}
	u.fresh = false
}

// goesFirst has the user come before all others.
func (q *queue) goesFirst(u *user) {
	q.leaveTurns(u)
	u.fresh = true
	q.fresh.push(u, ofTurn)
}

// tookTurn has the user come after all others.
func (q *queue) tookTurn(u *user) {
	q.leaveTurns(u)
	q.turns.push(u, ofTurn)
}

// lately is which users were served within a span, also those who do not wait.
// Of more than latelyMax it forgets some.
type lately struct {
	seed        maphash.Seed
	now, before map[uint64]time.Duration // when, by the key's hash
	began       time.Duration            // of now
}

const latelyMax = 1 << 14

// note that a user was served.
func (l *lately) note(key string, t, span time.Duration) {
	switch age := t - l.began; {
	case l.now == nil:
		*l = lately{seed: maphash.MakeSeed(), now: make(map[uint64]time.Duration), before: make(map[uint64]time.Duration), began: t}
	case age >= 2*span:
		clear(l.before)
		clear(l.now)
		l.began = t
	case age >= span, len(l.now) >= latelyMax:
		l.now, l.before = l.before, l.now
		clear(l.now)
		l.began = t
	}
	l.now[maphash.String(l.seed, key)] = t
}

// has reports whether the user was served within the span before t.
func (l *lately) has(key string, t, span time.Duration) bool {
	if l.now == nil {
		return false
	}
	hash := maphash.String(l.seed, key)
	when, ok := l.now[hash]
	if !ok {
		when, ok = l.before[hash]
	}
	return ok && t-when < span
}

// longestFirst is a heap of users: first is who has the most waiting, and among
// equals who has the oldest.
type longestFirst []*user

func (l longestFirst) Len() int { return len(l) }

func (l longestFirst) Less(i, j int) bool {
	if l[i].count != l[j].count {
		return l[i].count > l[j].count
	}
	return l[i].waiting.oldest.since < l[j].waiting.oldest.since
}

func (l longestFirst) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].place, l[j].place = i, j
}

// Push and Pop are for [heap.Interface].
func (l *longestFirst) Push(u any) {
	u.(*user).place = len(*l)
	*l = append(*l, u.(*user))
}

func (l *longestFirst) Pop() any {
	last := len(*l) - 1
	u := (*l)[last]
	(*l)[last] = nil
	*l = (*l)[:last]
	return u
}
