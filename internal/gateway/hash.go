package gateway

import (
	"bytes"
	"math"
	"math/rand/v2"
	"net/netip"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// hashOf is FNV-1a, whose bits are then mixed: the same in every process, so
// that all gateways agree.
func hashOf[T []byte | string](text T) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return mix(h)
}

// splitMix is the step of SplitMix64, and mix makes a number of its state. See
// G. Steele, D. Lea, C. Flood, "Fast Splittable Pseudorandom Number
// Generators", OOPSLA 2014.
const splitMix = 0x9e3779b97f4a7c15

func mix(h uint64) uint64 {
	h += splitMix
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// unit is a hash as a number from 0 to below 1.
func unit(h uint64) float64 { return float64(h>>11) / (1 << 53) }

// draw is the hash of what keeps a request at an endpoint. A request without it
// goes anywhere.
func (c *HashConfig) draw(r *http1.Request, client netip.Addr) uint64 {
	var key []byte
	switch {
	case c.Header != "":
		key = r.Get(c.Header)
	case c.Cookie != "":
		key, _ = cookie(r.Fields, c.Cookie)
	case c.Query != "":
		key = parameter(r.Query, c.Query)
	case c.Path:
		key = r.Path
	default:
		address := client.As16()
		return hashOf(address[:])
	}
	if key == nil {
		return rand.Uint64()
	}
	return hashOf(key)
}

// parameter is the value of a query's first parameter of a name, or nil, as it
// is written there.
func parameter(query []byte, name string) []byte {
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = bytes.Cut(query, ampersand)
		if len(pair) > len(name) && pair[len(name)] == '=' && string(pair[:len(name)]) == name {
			return pair[len(name)+1:]
		}
	}
	return nil
}

var ampersand = []byte("&")

// loadBound keeps a key that is asked for by many from drowning its endpoint.
// See V. Mirrokni, M. Thorup, M. Zadimoghaddam, "Consistent Hashing with
// Bounded Loads", SODA 2018.
type loadBound struct {
	endpoints []*endpoint
	factor    float64 // of the mean; below 1: no bound
}

// loadFree is how many requests an endpoint may always have under way.
const loadFree = 8

// full reports whether the endpoint has so many requests more than the others
// that a further one goes to the next.
func (b *loadBound) full(e *endpoint, w *wish) bool {
	n := e.inFlight.Load()
	if n < loadFree || b.factor < 1 {
		return false
	}
	total, weights := int64(1), 0.0
	for _, other := range b.endpoints {
		if w.able(other) {
			total += other.inFlight.Load()
			weights += other.weight(w.now)
		}
	}
	return float64(n) >= math.Ceil(b.factor*float64(total)*e.weight(w.now)/weights)
}

// keeps reports whether a key that belongs to the endpoint goes there already:
// keys come to one that warms up bit by bit, and each stays once it has come.
func (e *endpoint) keeps(w *wish) bool {
	warmth := e.warmth(w.now)
	return warmth >= 1 || unit(mix(w.draw^e.hash)) < warmth
}
