package policy

import (
	"sync"
	"sync/atomic"
)

// sieve is a bounded map that knows which entry to give up: SIEVE, of Y. Zhang
// et al., "SIEVE is Simpler than LRU", NSDI 2024. Entries stand in the order in
// which they came. A hand goes over them from the oldest to the newest, spares
// those that were used since it last passed, and takes the first that was not.
//
// A use sets one bit, so readers share the lock. The zero value holds nothing;
// bounds are the affair of its owner, which calls evict.
type sieve[V any] struct {
	mu      sync.RWMutex
	entries map[string]*sieveEntry[V] // guarded, as all below
	newest  *sieveEntry[V]
	oldest  *sieveEntry[V]
	hand    *sieveEntry[V] // nil: at the oldest
}

type sieveEntry[V any] struct {
	key   string
	value V // guarded
	used  atomic.Bool

	newer, older *sieveEntry[V]
}

// get returns the key's value and notes that it was used.
func (s *sieve[V]) get(key string) (value V, found bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.entries[key]
	if e == nil {
		return value, false
	}
	if !e.used.Load() { // most are: leave their cache line alone
		e.used.Store(true)
	}
	return e.value, true
}

// add puts in an entry for a key that has none. The caller holds mu.
func (s *sieve[V]) add(key string, value V) {
	e := &sieveEntry[V]{key: key, value: value, older: s.newest}
	if s.entries == nil {
		s.entries = make(map[string]*sieveEntry[V])
	}
	s.entries[key] = e
	if s.newest != nil {
		s.newest.newer = e
	} else {
		s.oldest = e
	}
	s.newest = e
}

// remove takes an entry out. The caller holds mu.
func (s *sieve[V]) remove(e *sieveEntry[V]) {
	delete(s.entries, e.key)
	if s.hand == e {
		s.hand = e.newer
	}
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		s.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		s.oldest = e.newer
	}
}

// evict takes out and returns the entry that is worth the least among those
// that may go, or nil; a nil may allows all. The caller holds mu.
func (s *sieve[V]) evict(may func(V) bool) *sieveEntry[V] {
	for range 2 * len(s.entries) { // the second round finds none that was used
		e := s.hand
		if e == nil {
			e = s.oldest
		}
		s.hand = e.newer
		if may != nil && !may(e.value) || e.used.CompareAndSwap(true, false) {
			continue
		}
		s.remove(e)
		return e
	}
	return nil
}
