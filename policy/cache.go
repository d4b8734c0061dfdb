package policy

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Cache answers a call with the last good answer to the same key while that is
// fresh, and if it is told so, while the callee is slow or fails. Calls that
// miss together ask the callee once, as a [Singleflight] does.
//
// Stale answers are as in RFC 5861. What a cache of limited size keeps is
// chosen by SIEVE (Y. Zhang et al., NSDI 2024).
//
// Callers share one value: nobody may modify it. A result that only one can
// use, because it is open (see [Open]) or an io.Closer, is never kept.
type Cache struct {
	config       atomic.Pointer[CacheConfig]
	answers      *answers
	flights      *Singleflight
	hits, misses atomic.Uint64

	stale, refreshFailed, evicted digest
}

// NewCache returns an empty Cache, or the problems of its Config.
func NewCache(c CacheConfig) (*Cache, error) {
	flights, err := NewSingleflight(SingleflightConfig{})
	if err != nil {
		return nil, err
	}
	cache := &Cache{answers: newAnswers(), flights: flights}
	cache.begin(c)
	if err := cache.Set(c); err != nil {
		return nil, err
	}
	return cache, nil
}

// begin makes the cache's events, and those of its flights, its own.
func (c *Cache) begin(config CacheConfig) {
	c.flights.begin("cache", config.Name, config.Observer)
	events := &c.flights.stragglers.events
	c.stale.begin(events, EventStale, nil, func(e Event) string {
		if e.Err == nil {
			return "a new answer is on its way"
		}
		return "the callee failed: " + e.Err.Error()
	})
	c.refreshFailed.begin(events, EventRefreshFailed, nil, func(e Event) string { return "no new answer: " + reasonOf(e.Err) })
	c.evicted.begin(events, EventEvicted, nil, func(Event) string { return "others needed the room" })
}

// Set changes the configuration and keeps the answers, as many as EntriesMax
// and BytesMax allow; those keep the TTL that they came with. Name and Observer
// stay as they were.
func (c *Cache) Set(config CacheConfig) error {
	if err := config.Validate(); err != nil {
		return err
	}
	config = config.WithDefaults()
	c.config.Store(&config)
	c.answers.kept.mu.Lock()
	n := c.answers.shrink(config.EntriesMax, config.BytesMax)
	c.answers.kept.mu.Unlock()
	c.tellEvicted(n)
	return nil
}

// Forget drops the answer to a key. One that the callee is asked for at this
// moment reaches who waits for it, and is not kept.
func (c *Cache) Forget(key string) {
	c.flights.Forget(key)
	c.answers.forget(key)
}

// Clear forgets all keys.
func (c *Cache) Clear() {
	c.flights.forgetAll()
	c.answers.clear()
}

// CacheStatus is a Cache's state at one moment, for people.
type CacheStatus struct {
	// Entries answers are kept, of about Bytes.
	Entries int
	Bytes   int64
	// Hits were answered while fresh, Stale ones with an old answer, and
	// Misses by the callee, or by its failure.
	Hits, Stale, Misses uint64
	// Evicted answers had to go for others.
	Evicted uint64
	// RefreshFailed is how many times a new answer did not come for an old one
	// that was given meanwhile, and Joined how many calls waited for another
	// one of the same key.
	RefreshFailed, Joined uint64
}

// Status reports the cache's state. It changes nothing.
func (c *Cache) Status() CacheStatus {
	s := CacheStatus{Hits: c.hits.Load(), Stale: c.stale.total.Load(), Misses: c.misses.Load(), Evicted: c.evicted.total.Load(),
		RefreshFailed: c.refreshFailed.total.Load(), Joined: c.flights.joined.total.Load()}
	s.Entries, s.Bytes = c.answers.size()
	return s
}

// Do answers the call from the cache, or makes it. A stale answer has Fallback
// set where it stands in for a failure.
func (c *Cache) Do(ctx context.Context, next Next) Result {
	config := c.config.Load()
	key := config.Key(ctx)
	if key == "" {
		return next.Do(ctx)
	}
	a, t := c.answers.get(key), now()
	switch {
	case a == nil:
	case t < a.fresh:
		c.hits.Add(1)
		return a.result
	case a.good() && t-a.expired < config.StaleWhileRevalidate:
		if a.renewing.CompareAndSwap(false, true) {
			c.renew(ctx, config, key, a, next)
		}
		c.stale.happened(ctx, Event{Key: key})
		return a.result
	}
	r := c.flights.share(ctx, key, c.filling(config, key, next))
	if a != nil && (r.Class == Failure || r.Class == Shed) {
		if spare, ok := a.spare(config, now()); ok {
			r.Discard()
			c.stale.happened(ctx, Event{Key: key, Class: r.Class, Err: failureOf(r)})
			return spare
		}
	}
	c.misses.Add(1)
	return r
}

// filling makes the call and keeps its answer.
func (c *Cache) filling(config *CacheConfig, key string, next Next) Next {
	return NextFunc(func(ctx context.Context) Result {
		asked := c.answers.asking(key)
		if a := c.answers.get(key); a != nil && now() < a.fresh {
			return a.result // it came while this call was on its way here
		}
		r := next.Do(ctx)
		c.keep(config, key, asked, r)
		return r
	})
}

// renew asks for a new answer while the old one is given.
func (c *Cache) renew(ctx context.Context, config *CacheConfig, key string, old *answer, next Next) {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), config.RefreshTimeout)
	d := newDetached(&c.flights.stragglers, 1)
	d.start(within, NextFunc(func(ctx context.Context) Result {
		defer cancel()
		defer old.renewing.Store(false)
		r := c.flights.share(ctx, key, c.filling(config, key, next))
		if r.Class != Success {
			c.refreshFailed.happened(ctx, Event{Key: key, Class: r.Class, Err: r.Err})
		}
		return r
	}), 0)
	d.leave()
}

// failureOf is a result's error, or one that stands for its class.
func failureOf(r Result) error {
	if r.Err == nil {
		return errors.New(r.Class.String())
	}
	return r.Err
}

func (c *Cache) tellEvicted(n int) {
	if n > 0 {
		c.evicted.note(n, Event{})
		c.evicted.events.flush()
	}
}

// keep keeps what may be given again.
func (c *Cache) keep(config *CacheConfig, key string, asked forgetCount, r Result) {
	if !shareable(r) || r.Fallback {
		return
	}
	t := now()
	a := &answer{result: r, fresh: t + config.TTL, expired: t + config.TTL}
	switch {
	case r.Class == Success:
	case r.Class == Failure && config.FailureTTL > 0:
		a.fresh, a.expired = t+config.FailureTTL, t
		if old := c.answers.get(key); old != nil {
			if spare, ok := old.spare(config, t); ok {
				a.result, a.expired = spare, old.expired
				a.fresh = min(a.fresh, old.expired+config.StaleIfError)
			}
		}
	default:
		return
	}
	a.result.RetryAfter = 0
	a.bytes = bytesOf(key, a.result.Value, config.Size)
	c.tellEvicted(c.answers.put(key, asked, a, config.EntriesMax, config.BytesMax))
}

// good reports whether it was an answer, and not a failure.
func (a *answer) good() bool { return a.result.Class == Success }

// spare is the old answer to give in place of a failure at time t.
func (a *answer) spare(config *CacheConfig, t time.Duration) (Result, bool) {
	if !a.good() || t-a.expired >= config.StaleIfError {
		return Result{}, false
	}
	r := a.result
	r.Fallback = true
	return r, true
}
