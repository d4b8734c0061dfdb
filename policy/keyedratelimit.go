package policy

import (
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// KeyedRateLimit holds the calls of each key, such as a user or an API, to a
// limit of its own: a token bucket a key.
//
// A key is known by 64 bits of a hash whose seed is the program's own, so keys
// of any length cost the same 24 to 36 bytes, are not kept in memory, and
// nobody can choose two that share a limit; among a million keys two do so by
// chance once in 40 million programs.
//
// A key whose bucket is full again is as good as unknown. Its place is taken
// by the next key that needs one, without a goroutine that looks for such
// places. A key with calls to make up for is never forgotten: when KeysMax of
// them are known, WhenFull says what becomes of others.
type KeyedRateLimit struct {
	config atomic.Pointer[KeyedRateLimitConfig]
	shape  atomic.Pointer[bucketShape]
	key    KeyFunc

	seed    maphash.Seed
	shards  []keyShard // a power of two
	keys    atomic.Int64
	others  *RateLimit // of the keys that find no place
	refused refusals
}

// bucketShape is what all buckets have in common.
type bucketShape struct{ interval, depth int64 }

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
	k.refused.policy, k.refused.name = "ratelimit", c.Name
	k.refused.events.observer = c.Observer
	return k, k.Set(c)
}

// shardsFor is how many shards let that many keys be reached by many
// goroutines at once without a shard being nearly empty.
func shardsFor(keys int) int {
	const eachMin, most = 256, 256
	return 1 << bits.Len(uint(min(keys/eachMin, most-1)))
}

// Set changes the configuration. Each key keeps the share of its bucket that
// it has used. A smaller KeysMax forgets nobody and takes in nobody new until
// few enough keys are left. Name, Key and Observer stay as they were.
func (k *KeyedRateLimit) Set(c KeyedRateLimitConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c = c.WithDefaults()
	if err := k.others.Set(c.one()); err != nil {
		return err
	}
	interval := int64(math.Ceil(float64(c.Per) / c.Requests))
	k.config.Store(&c)
	k.shape.Store(&bucketShape{interval, interval * int64(c.Burst)})
	return nil
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

// Allow admits one call of a key or returns a [Rejected] for [ErrLimited].
func (k *KeyedRateLimit) Allow(key string) error { return k.Of(key).AllowN(1) }

// AllowBytes is Allow without making a string of the key.
func (k *KeyedRateLimit) AllowBytes(key []byte) error { return k.OfBytes(key).AllowN(1) }

// AllowN admits n calls of a key together, or none of them. More than the
// burst are never admitted: such a rejection has no RetryAfter.
func (k *KeyedRateLimit) AllowN(key string, n int) error { return k.Of(key).AllowN(n) }

// Status reports the state of a key's limit. Rejected is that of all keys.
func (k *KeyedRateLimit) Status(key string) RateLimitStatus { return k.Of(key).Status() }

// Keys is how many keys have a place at the moment, those included whose place
// is free for another.
func (k *KeyedRateLimit) Keys() int { return int(k.keys.Load()) }

// Do makes the call if the limit of its key admits it now.
func (k *KeyedRateLimit) Do(ctx context.Context, next Next) Result {
	return k.OfCall(ctx).Do(ctx, next)
}

func (k *KeyedRateLimit) joins() bool { return true }

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
	limiter *limiter // nil for a key's bucket
	shape   *bucketShape
	slot    slot
}

func (k *KeyedRateLimit) take(t time.Duration, hash uint64, n int) (taken, time.Duration) {
	s := k.shard(hash)
	s.mu.Lock()
	shape := k.shape.Load()
	t = s.enter(t, shape)
	if int64(n) > shape.depth/shape.interval {
		s.mu.Unlock()
		return taken{}, never
	}
	p := s.place(k, t, hash)
	if p == nil {
		s.mu.Unlock()
		return k.takeAmongOthers(t, n)
	}
	full := max(p.full, int64(t)) + int64(n)*shape.interval
	wait := time.Duration(full - shape.depth - int64(t))
	if wait <= 0 {
		p.full = full
		s.mu.Unlock()
		return taken{shape: shape, slot: slot{at: t, n: n, mark: full}}, 0
	}
	s.mu.Unlock()
	return taken{}, wait
}

func (k *KeyedRateLimit) shard(hash uint64) *keyShard {
	return &k.shards[hash&uint64(len(k.shards)-1)]
}

// takeAmongOthers is for a key that has found no place.
func (k *KeyedRateLimit) takeAmongOthers(t time.Duration, n int) (taken, time.Duration) {
	switch k.config.Load().WhenFull {
	case AdmitWhenFull:
		return taken{}, 0
	case RejectWhenFull:
		return taken{}, time.Second
	}
	s, lim, wait := k.others.take(t, n, 0)
	return taken{limiter: lim, slot: s}, wait
}

// release gives back what has not been refilled since, as a token bucket does.
func (k *KeyedRateLimit) release(hash uint64, g taken) {
	s := k.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	shape := k.shape.Load()
	t := s.enter(now(), shape)
	if p := s.find(hash); p != nil && shape == g.shape {
		p.full -= min(max(g.slot.mark-int64(t), 0), int64(g.slot.n)*shape.interval)
	}
}

// used is how far a key's bucket is from full, in time.
func (k *KeyedRateLimit) used(t time.Duration, hash uint64) (time.Duration, *bucketShape) {
	s := k.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	shape := k.shape.Load()
	t = s.enter(t, shape)
	if p := s.find(hash); p != nil {
		return max(time.Duration(p.full)-t, 0), shape
	}
	return 0, shape
}

// wait is what take would return for a key that has a place.
func (k *KeyedRateLimit) wait(t time.Duration, hash uint64, n int) time.Duration {
	used, shape := k.used(t, hash)
	if int64(n) > shape.depth/shape.interval {
		return never
	}
	return max(used+time.Duration(int64(n)*shape.interval-shape.depth), 0)
}

func (k *KeyedRateLimit) status(hash uint64) RateLimitStatus {
	c := k.config.Load()
	used, shape := k.used(now(), hash)
	return RateLimitStatus{
		Requests:   c.Requests,
		Per:        c.Per,
		Burst:      c.Burst,
		Left:       float64(shape.depth-int64(used)) / float64(shape.interval),
		Reset:      used,
		RetryAfter: max(used+time.Duration(shape.interval-shape.depth), 0),
		Rejected:   k.refused.total.Load(),
	}
}

func (k *KeyedRateLimit) reject(t, after time.Duration) error {
	k.refused.add(t, func() string {
		c := k.config.Load()
		return fmt.Sprintf("%v in %v are allowed a key; %d keys are known", c.Requests, c.Per, k.Keys())
	})
	return limited(after)
}
