package policy

import (
	"math/bits"
	"sync"
	"time"
)

// keyShard is a hash table of limits with open addressing and linear probing,
// two words a key beside its log, and no pointers, so that a garbage collection
// does not look at them.
//
// A place whose limit is all there again is idle: it stands for a key that is
// as good as unknown, and may be given to any other. The table is never more than
// two thirds taken. When it is, idle places are cleared, and the table is made
// larger or smaller to fit what is left.
type keyShard struct {
	mu     sync.Mutex
	places []keyPlace      // guarded
	logs   []time.Duration // guarded: of each place, where the shape has them keep one
	taken  int             // guarded: places that have a hash, idle ones included
	hand   int             // guarded: up to where idle places were looked for
	latest time.Duration   // guarded: the latest reading of the clock
	shape  *keyedShape     // guarded: of the words
}

// keyPlace is the limit of one key.
type keyPlace struct {
	hash uint64 // 0: none
	word int64  // what is used up, as the shape counts it
}

// placesMin is how many places the smallest table has.
const placesMin = 16

// enter brings the shard to time t and a shape. It returns the time that
// counts: one that no caller was ahead of, or an idle place that is gone could
// have been in use still for a caller whose clock reading is late.
func (s *keyShard) enter(t time.Duration, shape *keyedShape) time.Duration {
	s.latest = max(s.latest, min(t, clockMax))
	switch {
	case s.shape == nil:
		s.shape = shape
	case s.shape != shape:
		s.reshape(shape)
	}
	return s.latest
}

// reshape has every key keep the share of its limit that is used up.
func (s *keyShard) reshape(shape *keyedShape) {
	old, logs := s.shape, s.logs
	s.shape, s.logs = shape, make([]time.Duration, len(s.places)*shape.logged)
	for i := range s.places {
		p := &s.places[i]
		p.word = shape.carry(old, p.word, logOf(logs, i, old.logged), s.logOf(i), s.latest)
	}
}

// logOf is the log of a place; nil without logs.
func (s *keyShard) logOf(i int) []time.Duration { return logOf(s.logs, i, s.shape.logged) }

func logOf(logs []time.Duration, i, length int) []time.Duration {
	if length == 0 {
		return nil
	}
	return logs[i*length : (i+1)*length]
}

// find returns the place of a key, and false when it has none.
func (s *keyShard) find(hash uint64) (i int, ok bool) {
	if len(s.places) == 0 {
		return 0, false
	}
	for i := s.home(hash); ; i = s.next(i) {
		switch s.places[i].hash {
		case hash:
			return i, true
		case 0:
			return 0, false
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

// place gives a place to a key that has none yet; false when as many keys as k
// may have are busy.
func (s *keyShard) place(k *KeyedRateLimit, t time.Duration, hash uint64) (i int, ok bool) {
	if len(s.places) == 0 {
		s.move(t, placesMin)
	}
	i = s.probe(t, hash)
	if s.places[i].hash == 0 && 3*(s.taken+1) > 2*len(s.places) {
		s.sweep(k, t)
		i = s.probe(t, hash)
	}
	if s.places[i].hash == 0 && !k.admitKey() {
		s.clearSome(k, t)
		if !k.admitKey() && !(k.clearElsewhere(s, t) && k.admitKey()) {
			return 0, false
		}
		i = s.probe(t, hash)
	}
	if s.places[i].hash == 0 {
		s.taken++
	}
	s.places[i] = keyPlace{hash: hash}
	s.shape.begin(s.logOf(i))
	return i, true
}

// probe returns the place that a new key may get: an idle one on the way, else
// the empty one at the end of it.
func (s *keyShard) probe(t time.Duration, hash uint64) int {
	idle := -1
	for i := s.home(hash); ; i = s.next(i) {
		p := &s.places[i]
		switch {
		case p.hash == 0 && idle >= 0:
			return idle
		case p.hash == 0:
			return i
		case idle < 0 && s.shape.idle(p.word, t):
			idle = i
		}
	}
}

// sweep clears the idle places, and makes the table fit those that are left.
func (s *keyShard) sweep(k *KeyedRateLimit, t time.Duration) {
	busy := 0
	for i := range s.places {
		if s.busy(&s.places[i], t) {
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

// clearElsewhere is clearSome for one of the other shards, the next at each
// call. They matter only where a smaller KeysMax has left more shards than it
// needs: the keys that are counted may then all be in shards where no call comes
// any more. The caller holds the lock of s.
func (k *KeyedRateLimit) clearElsewhere(s *keyShard, t time.Duration) bool {
	if len(k.shards) <= shardsFor(k.config.Load().KeysMax) {
		return false
	}
	other := &k.shards[k.hand.Add(1)%uint64(len(k.shards))]
	if other == s || !other.mu.TryLock() {
		return false
	}
	defer other.mu.Unlock()
	other.clearSome(k, other.enter(t, k.shape.Load()))
	return true
}

// clearIdle clears a place until it is empty or busy.
func (s *keyShard) clearIdle(i int, t time.Duration) (cleared int) {
	for ; s.places[i].hash != 0 && !s.busy(&s.places[i], t); cleared++ {
		s.clear(i)
	}
	return cleared
}

func (s *keyShard) busy(p *keyPlace, t time.Duration) bool {
	return p.hash != 0 && !s.shape.idle(p.word, t)
}

// move makes another table of the busy places.
func (s *keyShard) move(t time.Duration, size int) {
	old, logs := s.places, s.logs
	s.places, s.logs, s.hand = make([]keyPlace, size), make([]time.Duration, size*s.shape.logged), 0
	for from, p := range old {
		if !s.busy(&p, t) {
			continue
		}
		i := s.home(p.hash)
		for s.places[i].hash != 0 {
			i = s.next(i)
		}
		s.places[i] = p
		copy(s.logOf(i), logOf(logs, from, s.shape.logged))
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
			copy(s.logOf(gap), s.logOf(j))
			gap = j
		}
	}
	s.places[gap] = keyPlace{}
}
