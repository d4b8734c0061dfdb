package policy

import (
	"context"
	"fmt"
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// KeyedRateLimit holds the calls of each key, such as a user or an API, to a
// limit of its own: a bucket or a window a key, as Algorithm says.
//
// A key is known by 64 bits of a hash whose seed is the program's own, so keys
// of any length cost the same 24 to 36 bytes, and the log of a [SlidingWindow]
// where there is one. They are not kept in memory, and
// nobody can choose two that share a limit; among a million keys two do so by
// chance once in 40 million programs.
//
// A key that has all of its limit again is as good as unknown. Its place is taken
// by the next key that needs one, without a goroutine that looks for such
// places. A key with calls to make up for is never forgotten: when KeysMax of
// them are known, WhenFull says what becomes of others.
type KeyedRateLimit struct {
	config atomic.Pointer[KeyedRateLimitConfig]
	shape  atomic.Pointer[keyedShape]
	set    sync.Mutex // lets one Set run at a time
	scale  scale
	key    KeyFunc

	seed    maphash.Seed
	shards  []keyShard // a power of two
	keys    atomic.Int64
	hand    atomic.Uint64 // the shard that was cleared for another
	others  *RateLimit    // of the keys that find no place
	refused refusals
	late    digest // those whose wait would outlast their deadline
	full    digest
	waiters waiters
}

// NewKeyedRateLimit returns a KeyedRateLimit, or the problems of its Config.
func NewKeyedRateLimit(c KeyedRateLimitConfig) (*KeyedRateLimit, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	others, err := NewRateLimit(c.one())
	if err != nil {
		return nil, err
	}
	k := &KeyedRateLimit{key: orKey(c.Key), seed: maphash.MakeSeed(), others: others}
	k.shards = make([]keyShard, shardsFor(c.WithDefaults().KeysMax))
	k.scale.begin(c.Scale)
	k.refused.begin("ratelimit", c.Name, c.Observer, ErrLimited, k.why)
	k.late.begin(&k.refused.events, EventRejected, ErrDeadline, k.why)
	k.full.begin(&k.refused.events, EventKeysFull, nil, k.why)
	return k, k.Set(c)
}

// shardsFor is how many shards let that many keys be reached by many
// goroutines at once without a shard being nearly empty.
func shardsFor(keys int) int {
	const eachMin, most = 256, 256
	return 1 << bits.Len(uint(min(keys/eachMin, most-1)))
}

// Set changes the configuration. Each key keeps the share of its limit that it
// has used up; what counts in another way begins anew. A smaller KeysMax forgets
// nobody and takes in nobody new until few enough keys are left. Name, Scale, Key
// and Observer stay as they were.
func (k *KeyedRateLimit) Set(c KeyedRateLimitConfig) error {
	c.Scale = k.scale.of
	if err := c.Validate(); err != nil {
		return err
	}
	c = c.WithDefaults()
	k.set.Lock()
	defer k.set.Unlock()
	k.config.Store(&c)
	k.scale.set(c.one())
	k.apply(k.scale.config())
	return nil
}

// apply changes what each key is allowed. The caller holds set.
func (k *KeyedRateLimit) apply(one RateLimitConfig) {
	c := *k.config.Load()
	c.Requests, c.Burst = one.Requests, one.Burst
	if old := k.shape.Load(); old == nil || !k.others.config.Load().sameShape(&one) {
		k.shape.Store(newKeyedShape(&c))
	}
	_ = k.others.Set(one) // as valid as the whole is
	k.config.Store(&c)
}

// Of returns the limit of a key.
func (k *KeyedRateLimit) Of(key string) Limit {
	return Limit{keyed: k, hash: k.hash(maphash.String(k.seed, key))}
}

// OfBytes returns the limit of a key without making a string of it.
func (k *KeyedRateLimit) OfBytes(key []byte) Limit {
	return Limit{keyed: k, hash: k.hash(maphash.Bytes(k.seed, key))}
}

// OfCall returns the limit of the key that a call's context has.
func (k *KeyedRateLimit) OfCall(ctx context.Context) Limit { return k.Of(k.key(ctx)) }

// hash keeps 0 for a place without a key.
func (k *KeyedRateLimit) hash(h uint64) uint64 { return max(h, 1) }

// rejectLate refuses a call whose deadline comes before its turn.
func (k *KeyedRateLimit) rejectLate(after time.Duration) error {
	k.late.count(Event{Wait: after, Class: Shed})
	return &Rejected{Policy: "ratelimit", Name: k.refused.events.name, Reason: ErrDeadline, RetryAfter: after}
}

// Allow admits one call of a key or returns a [Rejected] for [ErrLimited].
func (k *KeyedRateLimit) Allow(key string) error { return k.Of(key).AllowN(1) }

// AllowBytes is Allow without making a string of the key.
func (k *KeyedRateLimit) AllowBytes(key []byte) error { return k.OfBytes(key).AllowN(1) }

// AllowN admits n calls of a key together, or none of them. More than the
// burst are never admitted: such a rejection has no RetryAfter.
func (k *KeyedRateLimit) AllowN(key string, n int) error { return k.Of(key).AllowN(n) }

// Status reports the state of a key's limit. Rejected and Late are those
// of all keys.
func (k *KeyedRateLimit) Status(key string) RateLimitStatus { return k.Of(key).Status() }

// KeyedRateLimitStatus is the state of all of a KeyedRateLimit's keys together
// at one moment, for people.
type KeyedRateLimitStatus struct {
	// Requests in Per are allowed a key, Burst of them at once after a calm.
	Requests float64
	Per      time.Duration
	Burst    int
	// Keys have a place, those included whose place is free for another, and
	// KeysMax may have one.
	Keys, KeysMax int
	// Waiting is how many calls wait for their turn.
	Waiting int
	// Rejected is how many calls were refused so far, Late how many of them
	// because the wait would have outlasted their deadline, and KeysFull for how
	// many calls the key found no place.
	Rejected, Late, KeysFull uint64
}

// Total reports the state of all keys together. It changes nothing.
func (k *KeyedRateLimit) Total() KeyedRateLimitStatus {
	c := k.config.Load()
	return KeyedRateLimitStatus{Requests: c.Requests, Per: c.Per, Burst: int(k.shape.Load().burst), Keys: k.Keys(), KeysMax: c.KeysMax,
		Waiting: int(k.waiters.Load()), Rejected: k.rejected(), Late: k.late.total.Load(), KeysFull: k.full.total.Load()}
}

func (k *KeyedRateLimit) rejected() uint64 { return k.refused.total.Load() + k.late.total.Load() }

// Keys is how many keys have a place at the moment, those included whose place
// is free for another.
func (k *KeyedRateLimit) Keys() int { return int(k.keys.Load()) }

// Do makes the call once the limit of its key admits it, as [Limit.Admit] says.
func (k *KeyedRateLimit) Do(ctx context.Context, next Next) Result {
	return alone(ctx, k, next)
}

func (k *KeyedRateLimit) run(ctx context.Context, next Next, r *Result) {
	k.OfCall(ctx).run(ctx, next, r)
}

// admitKey counts one more key unless there are KeysMax already.
func (k *KeyedRateLimit) admitKey() bool {
	most := int64(k.config.Load().KeysMax)
	for {
		keys := k.keys.Load()
		if keys >= most {
			return false
		}
		if k.keys.CompareAndSwap(keys, keys+1) {
			return true
		}
	}
}

// taken is what a limit has given, in case that it is given back.
type taken struct {
	limiter *limiter // nil for a key's place
	shape   *keyedShape
	slot    slot
}

func (k *KeyedRateLimit) take(t time.Duration, hash uint64, n int, ahead time.Duration) (taken, time.Duration) {
	if k.scale.of != nil {
		k.scale.follow(t, &k.refused.events, &k.set, k.apply)
	}
	s := k.shard(hash)
	s.mu.Lock()
	shape := k.shape.Load()
	t = s.enter(t, shape)
	if int64(n) > shape.burst {
		s.mu.Unlock()
		return taken{}, never
	}
	i, ok := s.find(hash)
	if !ok {
		i, ok = s.place(k, t, hash)
	}
	if !ok {
		s.mu.Unlock()
		return k.takeAmongOthers(t, n, ahead)
	}
	p := &s.places[i]
	var of slot
	var wait time.Duration
	if shape.bucket() {
		p.word, of, wait = shape.fill(p.word, t, n, ahead)
	} else {
		p.word, of, wait = shape.count(p.word, s.logOf(i), t, n, ahead)
	}
	s.mu.Unlock()
	return taken{shape: shape, slot: of}, wait
}

func (k *KeyedRateLimit) shard(hash uint64) *keyShard {
	return &k.shards[hash&uint64(len(k.shards)-1)]
}

// takeAmongOthers is for a key that has found no place.
func (k *KeyedRateLimit) takeAmongOthers(t time.Duration, n int, ahead time.Duration) (taken, time.Duration) {
	k.full.count(Event{})
	switch k.config.Load().WhenFull {
	case AdmitWhenFull:
		return taken{}, 0
	case RejectWhenFull:
		return taken{}, time.Second
	}
	s, lim, wait := k.others.take(t, n, ahead)
	return taken{limiter: lim, slot: s}, wait
}

// release gives back a slot as far as the shape says.
func (k *KeyedRateLimit) release(hash uint64, g taken) {
	s := k.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	shape := k.shape.Load()
	t := s.enter(now(), shape)
	if i, ok := s.find(hash); ok && shape == g.shape {
		s.places[i].word = shape.release(s.places[i].word, s.logOf(i), t, g.slot)
	}
}

// wait is what take would return.
func (k *KeyedRateLimit) wait(t time.Duration, hash uint64, n int) time.Duration {
	s := k.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	shape := k.shape.Load()
	t = s.enter(t, shape)
	if i, ok := s.find(hash); ok {
		return shape.wait(s.places[i].word, s.logOf(i), t, n)
	}
	fresh := shape.wait(0, nil, t, n)
	if fresh != 0 || !k.crowded(s, t, hash) {
		return fresh
	}
	switch k.config.Load().WhenFull {
	case AdmitWhenFull:
		return 0
	case RejectWhenFull:
		return time.Second
	}
	return k.others.wait(t, n)
}

// crowded reports whether a key without a place would find none. Like place it
// forgets keys that are fresh again to find out, which nobody can tell.
func (k *KeyedRateLimit) crowded(s *keyShard, t time.Duration, hash uint64) bool {
	if !k.atKeysMax() || len(s.places) > 0 && s.places[s.probe(t, hash)].hash != 0 {
		return false
	}
	s.clearSome(k, t)
	if k.atKeysMax() {
		k.clearElsewhere(s, t)
	}
	return k.atKeysMax()
}

// noteFull counts a call that wait has refused, if its key finds no place.
func (k *KeyedRateLimit) noteFull(t time.Duration, hash uint64) {
	s := k.shard(hash)
	s.mu.Lock()
	t = s.enter(t, k.shape.Load())
	_, known := s.find(hash)
	crowded := !known && k.crowded(s, t, hash)
	s.mu.Unlock()
	if crowded {
		k.full.count(Event{})
	}
}

// atKeysMax reports whether as many keys have a place as may.
func (k *KeyedRateLimit) atKeysMax() bool { return k.keys.Load() >= int64(k.config.Load().KeysMax) }

func (k *KeyedRateLimit) status(hash uint64) RateLimitStatus {
	c, s := k.config.Load(), k.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	shape := k.shape.Load()
	t := s.enter(now(), shape)
	var word int64
	var log []time.Duration
	if i, ok := s.find(hash); ok {
		word, log = s.places[i].word, s.logOf(i)
	} else if k.crowded(s, t, hash) {
		return k.crowdedStatus(c, int(shape.burst))
	}
	left, reset := shape.left(word, log, t)
	return RateLimitStatus{
		Requests:   c.Requests,
		Per:        c.Per,
		Burst:      int(shape.burst),
		Left:       left,
		Reset:      reset,
		RetryAfter: shape.wait(word, log, t, 1),
		Rejected:   k.rejected(),
		Late:       k.late.total.Load(),
	}
}

// crowdedStatus is that of a key that finds no place: of all such keys together.
func (k *KeyedRateLimit) crowdedStatus(c *KeyedRateLimitConfig, burst int) RateLimitStatus {
	s := RateLimitStatus{Requests: c.Requests, Per: c.Per, Burst: burst, Left: float64(burst), Rejected: k.rejected(), Late: k.late.total.Load()}
	switch c.WhenFull {
	case AdmitWhenFull:
	case RejectWhenFull:
		s.Left, s.Reset, s.RetryAfter = 0, time.Second, time.Second
	default:
		others := k.others.Status()
		s.Left, s.Reset, s.RetryAfter = others.Left, others.Reset, others.RetryAfter
	}
	return s
}

func (k *KeyedRateLimit) why(Event) string {
	c := k.config.Load()
	return fmt.Sprintf("%v in %v are allowed a key; %d of %d keys are known", c.Requests, c.Per, k.Keys(), c.KeysMax)
}
