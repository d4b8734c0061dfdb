package policy

import (
	"math/bits"
	"sync"
	"time"
)

// keyShard is a hash table of buckets with open addressing and linear probing,
// two words a key and no pointers, so that a garbage collection does not look
// at them.
//
// A place whose bucket is full again is idle: it stands for a key that is as
// good as unknown, and may be given to any other. The table is never more than
// two thirds taken. When it is, idle places are cleared, and the table is made
// larger or smaller to fit what is left.
type keyShard struct {
	mu     sync.Mutex
	places []keyPlace    // guarded
	taken  int           // guarded: places that have a hash, idle ones included
	hand   int           // guarded: up to where idle places were looked for
	latest time.Duration // guarded: the latest reading of the clock
	shape  *bucketShape  // guarded: of the buckets
}

// keyPlace is the bucket of one key: the time when it is full again.
type keyPlace struct {
	hash uint64 // 0: none
	full int64
}

// placesMin is how many places the smallest table has.
const placesMin = 16

// enter brings the shard to time t and a shape. It returns the time that
// counts: one that no caller was ahead of, or an idle place that is gone could
// have been in use still for a caller whose clock reading is late.
func (s *keyShard) enter(t time.Duration, shape *bucketShape) time.Duration {
	s.latest = max(s.latest, min(t, clockMax))
	if s.shape != shape {
		s.reshape(shape)
	}
	return s.latest
}

// reshape has every bucket keep the share of it that is used.
func (s *keyShard) reshape(shape *bucketShape) {
	if old := s.shape; old != nil && old.depth != shape.depth {
		grown := float64(shape.depth) / float64(old.depth)
		for i := range s.places {
			if used := s.places[i].full - int64(s.latest); used > 0 {
				s.places[i].full = int64(s.latest) + int64(float64(used)*grown) + 1
			}
		}
	}
	s.shape = shape
}

// find returns the place of a key, nil when it has none.
func (s *keyShard) find(hash uint64) *keyPlace {
	if len(s.places) == 0 {
		return nil
	}
	for i := s.home(hash); ; i = s.next(i) {
		switch p := &s.places[i]; p.hash {
		case hash:
			return p
		case 0:
			return nil
		}
	}
}

// home is where a key would like to be. The lowest bits of the hash have
// chosen the shard, so the highest choose the place.
func (s *keyShard) home(hash uint64) int {
	i, _ := bits.Mul64(hash, uint64(len(s.places)))
	return int(i)
}

func (s *keyShard) next(i int) int {
	if i++; i < len(s.places) {
		return i
	}
	return 0
}

// place returns the place of a key, which it gets if it has none yet; nil when
// as many keys as k may have are busy.
func (s *keyShard) place(k *KeyedRateLimit, t time.Duration, hash uint64) *keyPlace {
	if len(s.places) == 0 {
		s.places = make([]keyPlace, placesMin)
	}
	p := s.probe(t, hash)
	if p.hash == hash {
		return p
	}
	if p.hash == 0 && 3*(s.taken+1) > 2*len(s.places) {
		s.sweep(k, t)
		p = s.probe(t, hash)
	}
	if p.hash == 0 && !k.admitKey() {
		s.clearSome(k, t)
		if !k.admitKey() {
			return nil
		}
		p = s.probe(t, hash)
	}
	if p.hash == 0 {
		s.taken++
	}
	*p = keyPlace{hash, int64(t)}
	return p
}

// probe returns the place that a key has, or the one that it may get: an idle
// one on the way, else the empty one at the end of it.
func (s *keyShard) probe(t time.Duration, hash uint64) *keyPlace {
	var idle *keyPlace
	for i := s.home(hash); ; i = s.next(i) {
		p := &s.places[i]
		switch {
		case p.hash == hash:
			return p
		case p.hash == 0 && idle != nil:
			return idle
		case p.hash == 0:
			return p
		case idle == nil && p.full <= int64(t):
			idle = p
		}
	}
}

// sweep clears the idle places, and makes the table fit those that are left.
func (s *keyShard) sweep(k *KeyedRateLimit, t time.Duration) {
	busy := 0
	for i := range s.places {
		if s.places[i].busy(t) {
			busy++
		}
	}
	k.keys.Add(int64(busy - s.taken))
	s.taken = busy
	fit := max(busy*9/4+1, placesMin)
	if fit > len(s.places) || fit < len(s.places)/4 {
		s.move(t, fit)
		return
	}
	for i := range s.places {
		s.clearIdle(i, t)
	}
}

// clearSome clears the idle ones among the next of the places, so many that a
// key which finds none waits for it no longer than for its cache misses.
func (s *keyShard) clearSome(k *KeyedRateLimit, t time.Duration) {
	const some = 256
	for range min(some, len(s.places)) {
		cleared := s.clearIdle(s.hand, t)
		s.taken -= cleared
		k.keys.Add(-int64(cleared))
		s.hand = s.next(s.hand)
	}
}

// clearIdle clears a place until it is empty or busy.
func (s *keyShard) clearIdle(i int, t time.Duration) (cleared int) {
	for ; s.places[i].hash != 0 && !s.places[i].busy(t); cleared++ {
		s.clear(i)
	}
	return cleared
}

func (p *keyPlace) busy(t time.Duration) bool { return p.hash != 0 && p.full > int64(t) }

// move makes another table of the busy places.
func (s *keyShard) move(t time.Duration, size int) {
	old := s.places
	s.places, s.hand = make([]keyPlace, size), 0
	for _, p := range old {
		if !p.busy(t) {
			continue
		}
		i := s.home(p.hash)
		for s.places[i].hash != 0 {
			i = s.next(i)
		}
		s.places[i] = p
	}
}

// clear empties a place and moves those behind it up, as far as that brings
// them no further than home (Knuth, volume 3, algorithm 6.4R).
func (s *keyShard) clear(i int) {
	gap := i
	for j := s.next(i); s.places[j].hash != 0; j = s.next(j) {
		home := s.home(s.places[j].hash)
		if gap < j && (home <= gap || home > j) || gap > j && home <= gap && home > j {
			s.places[gap] = s.places[j]
			gap = j
		}
	}
	s.places[gap] = keyPlace{}
}
