package policy

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"time"
)

// KeyedBreakerConfig configures a [KeyedBreaker]. Zero fields take the default
// beside them.
type KeyedBreakerConfig struct {
	// Breaker is what each key's breaker is. Its Name and Observer are those of
	// all; each event has its Key, too.
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
	if err := within("breaker", c.Breaker.Validate()); err != nil {
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
	evicted  digest
	shared   digest

	swept time.Duration // guarded by the sieve's mu: when idle ones last went
	full  time.Duration // guarded: until when not to look for room again
}

// fullFor is for how long a KeyedBreaker that has found no room does not look
// for it again: looking passes over every breaker.
const fullFor = time.Second

// NewKeyedBreaker returns a KeyedBreaker without keys, or the problems of its
// Config.
func NewKeyedBreaker(c KeyedBreakerConfig) (*KeyedBreaker, error) {
	k := &KeyedBreaker{rest: &Breaker{breakerNews: newBreakerNews(c.Breaker)}, swept: now()}
	k.begin()
	if err := k.Set(c); err != nil {
		return nil, err
	}
	return k, nil
}

// Set changes the configuration of all breakers and keeps their state. Where
// KeysMax becomes less, those above it go. Name and Observer stay as they were.
func (k *KeyedBreaker) Set(c KeyedBreakerConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c = c.WithDefaults()
	defer k.rest.events.flush()
	k.breakers.mu.Lock()
	defer k.breakers.mu.Unlock()
	k.config.Store(&c)
	k.rest.adopt(c.Breaker)
	for _, e := range k.breakers.entries {
		e.value.adopt(c.Breaker)
	}
	t, may := now(), true // that one may go: to find none passes over all
	for len(k.breakers.entries) > c.KeysMax {
		if may = may && k.evict(t, &c); !may {
			k.gone(k.breakers.evict(nil))
		}
	}
	k.full = 0
	return nil
}

// begin makes the events of all breakers those of the KeyedBreaker.
func (k *KeyedBreaker) begin() {
	events := &k.rest.events
	k.evicted.begin(events, EventEvicted, nil, func(Event) string { return "it was the least used, or idle" })
	k.shared.begin(events, EventKeysFull, nil, func(Event) string {
		return fmt.Sprintf("all of %d breakers are in use; further keys share one", k.config.Load().KeysMax)
	})
}

// gone counts a breaker that was given up. The caller holds the sieve's mu.
func (k *KeyedBreaker) gone(e *sieveEntry[*Breaker]) { k.evicted.note(1, Event{Key: e.key}) }

// Get returns the key's breaker. Do not keep it: ask again for each call, or it
// may be one that was given up.
func (k *KeyedBreaker) Get(key string) *Breaker {
	if b, found := k.breakers.get(key); found {
		return b
	}
	return k.add(key)
}

// OfCall returns the breaker of the key that a call's context has, as
// [KeyedBreaker.Get] does; nil for a call without a key.
func (k *KeyedBreaker) OfCall(ctx context.Context) *Breaker {
	if key := k.config.Load().Key(ctx); key != "" {
		return k.Get(key)
	}
	return nil
}

func (k *KeyedBreaker) add(key string) *Breaker {
	c, t := k.config.Load(), now()
	defer k.rest.events.flush()
	k.breakers.mu.Lock()
	defer k.breakers.mu.Unlock()
	if e := k.breakers.entries[key]; e != nil {
		return e.value
	}
	k.sweep(t, c)
	if len(k.breakers.entries) >= c.KeysMax && !k.makeRoom(t, c) {
		k.shared.note(1, Event{Key: key})
		return k.rest
	}
	b := &Breaker{breakerNews: k.rest.breakerNews, key: key}
	b.adopt(c.Breaker)
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
			k.gone(e)
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
	k.gone(e)
	return true
}

// calm reports whether a breaker is as good as a new one, but for what it may
// remember of how long it was open.
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

// Rest is the breaker that keys without a place share, for people and for Force.
func (k *KeyedBreaker) Rest() *Breaker { return k.rest }

// All are the keys with their breakers, for people and for Force, in no order.
// [KeyedBreaker.Rest] is not among them.
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
	// Keys have a breaker, of which NotClosed are not closed, and KeysMax may
	// have one.
	Keys, NotClosed, KeysMax int
	// Rest is the state of the breaker that keys without a place share.
	Rest BreakerState
	// Evicted breakers were given up so far, and Shared calls found no room.
	Evicted, Shared uint64
	// Isolation is how many calls were refused while an operator isolated their
	// callee; they are among the Rejected.
	Isolation uint64
	// Opened is how often one of the breakers opened, and Rejected how many
	// calls they refused.
	Opened, Rejected uint64
}

// Status reports the state. It changes nothing, and passes over every breaker.
func (k *KeyedBreaker) Status() KeyedBreakerStatus {
	s := KeyedBreakerStatus{KeysMax: k.config.Load().KeysMax, Rest: k.rest.State(), Evicted: k.evicted.total.Load(), Shared: k.shared.total.Load(),
		Opened: k.rest.opened.Load(), Rejected: k.rest.rejected(), Isolation: k.rest.refusedIsolated.total.Load()}
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
func (k *KeyedBreaker) Do(ctx context.Context, next Next) Result { return alone(ctx, k, next) }

func (k *KeyedBreaker) run(ctx context.Context, next Next, r *Result) {
	if b := k.OfCall(ctx); b != nil {
		b.run(ctx, next, r)
		return
	}
	next.run(ctx, r)
}
