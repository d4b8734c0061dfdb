package policy

import (
	"math/rand/v2"
	"strconv"
	"testing"
)

// wantWhole fails unless the list and the map hold the same entries.
func wantWhole[V any](t testing.TB, s *sieve[V]) {
	t.Helper()
	n := 0
	var last *sieveEntry[V]
	handSeen := s.hand == nil
	for e := s.oldest; e != nil; e = e.newer {
		if n++; n > len(s.entries) || s.entries[e.key] != e || e.older != last {
			t.Fatalf("the list is broken at %q, entry %d of %d", e.key, n, len(s.entries))
		}
		handSeen = handSeen || s.hand == e
		last = e
	}
	if n != len(s.entries) || s.newest != last || !handSeen {
		t.Fatalf("the list holds %d of %d entries, hand in it: %v", n, len(s.entries), handSeen)
	}
}

func TestSieveSparesWhatWasUsed(t *testing.T) {
	var s sieve[int]
	for i, key := range []string{"a", "b", "c", "d"} {
		s.add(key, i)
	}
	s.get("a")
	s.get("c")
	for _, want := range []string{"b", "d", "a", "c"} {
		if e := s.evict(nil); e == nil || e.key != want || s.entries[want] != nil {
			t.Errorf("%q should have gone next; left are %v", want, s.entries)
		}
		wantWhole(t, &s)
	}
	if s.evict(nil) != nil {
		t.Error("evicted from nothing")
	}
}

func TestSieveEvictsOnlyWhatMayGo(t *testing.T) {
	var s sieve[int]
	for i := range 10 {
		s.add(strconv.Itoa(i), i)
		s.get(strconv.Itoa(i))
	}
	odd := func(v int) bool { return v%2 == 1 }
	for range 5 {
		if s.evict(odd) == nil {
			t.Fatal("found none that may go")
		}
	}
	if s.evict(odd) != nil || len(s.entries) != 5 || s.entries["0"] == nil {
		t.Errorf("left are %v", s.entries)
	}
	wantWhole(t, &s)
}

func TestSieveStaysWholeUnderRandomUse(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var s sieve[int]
	for i := range 20_000 {
		key := strconv.Itoa(rng.IntN(40))
		switch _, found := s.get(key); {
		case !found:
			s.add(key, i)
		case rng.IntN(3) == 0:
			s.remove(s.entries[key])
		}
		for len(s.entries) > 20 {
			s.evict(nil)
		}
		wantWhole(t, &s)
	}
}

// A Zipf stream of keys with a scan of keys that never come again: what SIEVE
// is for. The share of hits must be at least that of first in, first out.
func TestSieveKeepsWhatIsAskedForOften(t *testing.T) {
	const room, calls = 100, 50_000
	hits := func(note bool) (n int) {
		rng := rand.New(rand.NewPCG(3, 4))
		zipf := rand.NewZipf(rng, 1.1, 1, 2000)
		var s sieve[int]
		for i := range calls {
			key := "scan" + strconv.Itoa(i)
			if i%3 > 0 {
				key = strconv.FormatUint(zipf.Uint64(), 10)
			}
			if s.entries[key] != nil {
				n++
				if note {
					s.get(key)
				}
				continue
			}
			if len(s.entries) == room {
				s.evict(nil)
			}
			s.add(key, i)
		}
		return n
	}
	sieve, fifo := hits(true), hits(false)
	t.Logf("hits: SIEVE %.1f%%, first in first out %.1f%%", 100*float64(sieve)/calls, 100*float64(fifo)/calls)
	if float64(sieve) < 1.2*float64(fifo) {
		t.Errorf("%d hits, against %d without noting uses", sieve, fifo)
	}
}
