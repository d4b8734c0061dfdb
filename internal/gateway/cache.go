package gateway

import (
	"container/list"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// cache keeps a route's answers, and knows which are being asked for.
type cache struct {
	config CacheConfig // with defaults
	keeps  bool        // else it only lets requests share one answer

	mu      sync.Mutex
	entries map[string][]*list.Element // guarded, as all below: *entry, by variant
	used    list.List                  // the most recently used first
	bytes   int64
	flights map[string]*flight

	hits, misses, stale, collapsed, evicted atomic.Uint64
}

// What a cache holds at most, beside its config.
const (
	// variantsMax bounds the answers of one target.
	variantsMax = 16
	// flightsMax bounds the requests that others may wait for.
	flightsMax = 10_000
	// entryBytes is about what an entry costs beside its texts.
	entryBytes = 500
)

// entry is an answer that is kept. It does not change.
type entry struct {
	key    string
	vary   map[string]string // what the request said in the fields that matter
	public bool              // also for users who said who they are
	from   uint64            // the subset of a service that gave it

	status int
	fields []http1.Field
	body   string
	size   int64

	born                                time.Time // its age counts from here
	fresh, staleIfError, staleRefreshed time.Duration
}

func (e *entry) age() time.Duration { return time.Since(e.born) }

// newCache compiles a route's CacheConfig; nil where it has none and requests do
// not share. What is kept stays unless the config changed.
func newCache(c *RouteConfig, old *route) *cache {
	if c.Cache == nil && !c.SingleFlight {
		return nil
	}
	n := &cache{keeps: c.Cache != nil, entries: map[string][]*list.Element{}, flights: map[string]*flight{}}
	if n.keeps {
		n.config = *c.Cache
	}
	n.config = n.config.WithDefaults()
	if old != nil && old.cache != nil && old.cache.keeps == n.keeps && reflect.DeepEqual(old.cache.config, n.config) {
		return old.cache
	}
	return n
}

// find returns the answer that is kept for a request like this one, or nil.
func (c *cache) find(key string, x *exchange) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, element := range c.entries[key] {
		if e := element.Value.(*entry); e.suits(x) {
			c.used.MoveToFront(element)
			return e
		}
	}
	return nil
}

// suits reports whether the request could have got the answer too.
func (e *entry) suits(x *exchange) bool {
	if e.from != x.keptBy || !e.public && x.personal() {
		return false
	}
	for name, said := range e.vary {
		if joined(x.request.Fields, name) != said {
			return false
		}
	}
	return true
}

// put keeps an answer in place of the one for the same requests.
func (c *cache) put(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, element := range c.entries[e.key] {
		if old := element.Value.(*entry); old.public == e.public && old.from == e.from && reflect.DeepEqual(old.vary, e.vary) {
			c.remove(element)
			break
		}
	}
	if all := c.entries[e.key]; len(all) >= variantsMax {
		c.remove(all[0])
		c.evicted.Add(1)
	}
	c.entries[e.key] = append(c.entries[e.key], c.used.PushFront(e))
	c.bytes += e.size
	for c.bytes > c.config.BytesMax || c.used.Len() > c.config.EntriesMax {
		c.remove(c.used.Back())
		c.evicted.Add(1)
	}
}

// forget drops the answers of a target, which something has changed.
func (c *cache) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.entries[key]) > 0 {
		c.remove(c.entries[key][0])
	}
}

// remove drops an entry. The caller holds mu.
func (c *cache) remove(element *list.Element) {
	e := c.used.Remove(element).(*entry)
	c.bytes -= e.size
	rest := slices.DeleteFunc(c.entries[e.key], func(one *list.Element) bool { return one == element })
	if len(rest) == 0 {
		delete(c.entries, e.key)
	} else {
		c.entries[e.key] = rest
	}
}

// flight is a request whose answer others wait for.
type flight struct {
	key  string
	done chan struct{}
	end  *entry // set before done is closed; nil: nobody else may have it
}

// board returns the flight of a key, and whether it is new and the caller's. It
// is nil when there are too many.
func (c *cache) board(key string) (f *flight, leads bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[key]; f != nil {
		return f, false
	}
	if len(c.flights) >= flightsMax {
		return nil, false
	}
	f = &flight{key: key, done: make(chan struct{})}
	c.flights[key] = f
	return f, true
}

// land tells those who wait what there is, once.
func (c *cache) land(f *flight, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flights[f.key] == f {
		delete(c.flights, f.key)
		f.end = e
		close(f.done)
	}
}

// CacheStatus is what a route's cache holds and has done.
type CacheStatus struct {
	Entries int   `json:"entries"`
	Bytes   int64 `json:"bytes"`
	// Hits were given from it, Stale ones among them after their time; Misses
	// were asked for, and Collapsed ones got the answer of another request.
	Hits      uint64 `json:"hits"`
	Stale     uint64 `json:"stale"`
	Misses    uint64 `json:"misses"`
	Collapsed uint64 `json:"collapsed"`
	// Evicted is how many answers made room for others.
	Evicted uint64 `json:"evicted"`
}

func (c *cache) status() *CacheStatus {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return &CacheStatus{
		Entries: c.used.Len(), Bytes: c.bytes, Hits: c.hits.Load(), Stale: c.stale.Load(),
		Misses: c.misses.Load(), Collapsed: c.collapsed.Load(), Evicted: c.evicted.Load(),
	}
}
