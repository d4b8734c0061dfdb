package policy

import (
	"context"
	"iter"
	"sync/atomic"
	"time"
)

// KeyedBreakerConfig configures a [KeyedBreaker]. Zero fields take the default
// beside them.
type KeyedBreakerConfig struct {
	// Breaker is what each key's breaker is. Its Name is followed by the key.
	Breaker BreakerConfig `yaml:"breaker"`
	// Key says whose breaker a call goes through. Default [Key].
	Key KeyFunc `yaml:"-"`
	// KeysMax is how many breakers there may be. Default 10000.
	KeysMax int `yaml:"keysMax"`
	// IdleAfter is after how long without a call a breaker is given up.
	// Default 10m.
	IdleAfter time.Duration `yaml:"idleAfter"`
}

// Validate returns a [FieldError] for each field that cannot be used, joined.
func (c KeyedBreakerConfig) Validate() error {
	var p problems
	p.unless(c.KeysMax >= 0 && c.KeysMax <= placesMax, "keysMax", "want 0 to %d, got %d", placesMax, c.KeysMax)
	p.unless(usableDuration(c.IdleAfter), "idleAfter", "want 0 to %v, got %v", durationMax, c.IdleAfter)
	if err := c.Breaker.Validate(); err != nil {
		p = append(p, err)
	}
	return p.join()
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c KeyedBreakerConfig) WithDefaults() KeyedBreakerConfig {
	c.Key = orKey(c.Key)
	c.Breaker = c.Breaker.WithDefaults()
	setDefault(&c.KeysMax, 10_000)
	setDefault(&c.IdleAfter, 10*time.Minute)
	return c
}

// KeyedBreaker is a [Breaker] for each key, such as a tenant or a host: one
// that fails does not shut the others out.
//
// There are at most KeysMax of them. To make room, one that is closed goes
// first, of those the one that SIEVE finds the least used; then one that has
// been left open and not been called for IdleAfter. One that is open, or held
// by an operator, keeps its place: keys that find none share one more breaker
// until there is room.
type KeyedBreaker struct {
	config   atomic.Pointer[KeyedBreakerConfig]
	breakers sieve[*Breaker]
	rest     *Breaker // of the keys that find no place
	evicted  atomic.Uint64
	shared   atomic.Uint64

	swept time.Duration // guarded by the sieve's mu: when idle ones last went
	full  time.Duration // guarded: until when not to look for room again
}

// fullFor is for how long a KeyedBreaker that has found no room does not look
// for it again: looking passes over every breaker.
const fullFor = time.Second

// NewKeyedBreaker returns a KeyedBreaker without keys, or the problems of its
// Config.
func NewKeyedBreaker(c KeyedBreakerConfig) (*KeyedBreaker, error) {
	k := &KeyedBreaker{rest: new(Breaker), swept: now()}
	k.rest.events.observer = c.Breaker.Observer
	if err := k.Set(c); err != nil {
		return nil, err
	}
	return k, nil
}

// Set changes the configuration of all breakers and keeps their state. Where
// KeysMax becomes less, those above it go. The Observer stays as it was.
func (k *KeyedBreaker) Set(c KeyedBreakerConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c = c.WithDefaults()
	k.breakers.mu.Lock()
	defer k.breakers.mu.Unlock()
	k.config.Store(&c)
	k.rest.adopt(c.Breaker)
	for key, e := range k.breakers.entries {
		e.value.adopt(c.Breaker.named(key))
	}
	for t := now(); len(k.breakers.entries) > c.KeysMax; {
		if !k.evict(t, &c) {
			k.breakers.evict(nil)
			k.evicted.Add(1)
		}
	}
	k.full = 0
	return nil
}

// named returns the config for a key's breaker.
func (c BreakerConfig) named(key string) BreakerConfig {
	if c.Name != "" {
		key = c.Name + "/" + key
	}
	c.Name = key
	return c
}

// Get returns the key's breaker. Do not keep it: ask again for each call, or it
// may be one that was given up.
func (k *KeyedBreaker) Get(key string) *Breaker {
	if b, found := k.breakers.get(key); found {
		return b
	}
	return k.add(key)
}

func (k *KeyedBreaker) add(key string) *Breaker {
	c, t := k.config.Load(), now()
	k.breakers.mu.Lock()
	defer k.breakers.mu.Unlock()
	if e := k.breakers.entries[key]; e != nil {
		return e.value
	}
	k.sweep(t, c)
	if len(k.breakers.entries) >= c.KeysMax && !k.makeRoom(t, c) {
		k.shared.Add(1)
		return k.rest
	}
	b := new(Breaker)
	b.events.observer = k.rest.events.observer
	b.adopt(c.Breaker.named(key))
	k.breakers.add(key, b)
	return b
}

// sweep gives up what has not been used since the last sweep, if that was
// IdleAfter ago. The caller holds the sieve's mu, as for all below.
func (k *KeyedBreaker) sweep(t time.Duration, c *KeyedBreakerConfig) {
	if t-k.swept < c.IdleAfter {
		return
	}
	k.swept = t
	for e := k.breakers.oldest; e != nil; e = e.newer {
		if !e.used.Swap(false) && (e.value.calm() || e.value.abandoned(t, c.IdleAfter)) {
			k.breakers.remove(e) // e still knows who is newer
			k.evicted.Add(1)
		}
	}
}

func (k *KeyedBreaker) makeRoom(t time.Duration, c *KeyedBreakerConfig) bool {
	if t < k.full {
		return false
	}
	if !k.evict(t, c) {
		k.full = t + fullFor
		return false
	}
	return true
}

// evict gives up one breaker that may go, if there is one.
func (k *KeyedBreaker) evict(t time.Duration, c *KeyedBreakerConfig) bool {
	e := k.breakers.evict((*Breaker).calm)
	if e == nil {
		e = k.breakers.evict(func(b *Breaker) bool { return b.abandoned(t, c.IdleAfter) })
	}
	if e == nil {
		return false
	}
	k.evicted.Add(1)
	return true
}

// calm reports whether a breaker is as good as a new one.
func (b *Breaker) calm() bool {
	e := b.era.Load()
	return e.state == BreakerClosed && !e.forced
}

// abandoned reports whether nobody has called since a breaker could have let
// calls through again, and that is longer ago than idle.
func (b *Breaker) abandoned(t, idle time.Duration) bool {
	e := b.era.Load()
	return !e.forced && t-max(e.began, e.ends) > idle
}

// All are the keys with their breakers, for people and for Force, in no order.
func (k *KeyedBreaker) All() iter.Seq2[string, *Breaker] {
	return func(yield func(string, *Breaker) bool) {
		k.breakers.mu.RLock()
		all := make(map[string]*Breaker, len(k.breakers.entries))
		for key, e := range k.breakers.entries {
			all[key] = e.value
		}
		k.breakers.mu.RUnlock()
		for key, b := range all {
			if !yield(key, b) {
				return
			}
		}
	}
}

// KeyedBreakerStatus is a KeyedBreaker's state at one moment, for people.
type KeyedBreakerStatus struct {
	// Keys have a breaker, of which NotClosed are not closed.
	Keys, NotClosed int
	// Evicted breakers were given up so far, and Shared calls found no room.
	Evicted, Shared uint64
}

// Status reports the state. It changes nothing, and passes over every breaker.
func (k *KeyedBreaker) Status() KeyedBreakerStatus {
	s := KeyedBreakerStatus{Evicted: k.evicted.Load(), Shared: k.shared.Load()}
	for _, b := range k.All() {
		s.Keys++
		if b.era.Load().state != BreakerClosed {
			s.NotClosed++
		}
	}
	return s
}

// Do makes the call unless its key's breaker is open. A call without a key is
// made whatever happens.
func (k *KeyedBreaker) Do(ctx context.Context, next Next) Result {
	key := k.config.Load().Key(ctx)
	if key == "" {
		return next.Do(ctx)
	}
	return k.Get(key).Do(ctx, next)
}

func (k *KeyedBreaker) joins() bool { return true }
