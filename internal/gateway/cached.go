package gateway

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// fromCache answers the request with what is kept or what another request is
// about to get, and else sees to it that its own answer is kept.
func (x *exchange) fromCache(c *cache) (keep, done bool) {
	m := x.request.Method
	if m != "GET" && m != "HEAD" || !x.request.Framing.None() || x.request.Upgrade != nil || x.grpc {
		return false, false
	}
	asked := directivesOf(x.request.Fields)
	if asked.noStore || x.request.Get("Range") != nil {
		x.cacheStatus = "Afloat; fwd=request"
		return false, false
	}
	key := x.cacheKey()
	if b, ok := x.client.(*refresher); ok {
		x.drawn, x.flight, x.tee = b.drawn, b.flight, &keeping{cache: c, key: key, x: x}
		return false, false
	}
	x.keptBy = x.belongsTo().hash
	x.cacheStatus = "Afloat; fwd=miss"
	if keep, done = x.keptAnswer(c, key, &asked); done {
		return keep, true
	}
	c.misses.Add(1)
	if asked.onlyIfCached {
		return x.refuse(504, ReasonNotCached, "there is no such answer in the cache"), true
	}
	return x.share(c, key)
}

// cacheKey is what the request asks for: its scheme, host and target.
func (x *exchange) cacheKey() string {
	return string(x.originator.scheme) + "\x00" + strings.ToLower(string(x.request.Host)) + "\x00" + string(x.target())
}

// keptAnswer answers with what is kept, where that is good enough.
func (x *exchange) keptAnswer(c *cache, key string, asked *directives) (keep, done bool) {
	e := c.find(key, x)
	if e == nil {
		return false, false
	}
	age := e.age()
	over := age - e.fresh
	if over < e.staleIfError {
		x.stale = e
	}
	switch {
	case asked.noCache || asked.maxAge >= 0 && age > asked.maxAge || strings.EqualFold(string(x.request.Get("Pragma")), "no-cache"):
		x.cacheStatus = "Afloat; fwd=request"
		return false, false
	case over < 0:
	case over < e.staleRefreshed:
		x.refresh(c, key)
		c.stale.Add(1)
	default:
		x.cacheStatus = "Afloat; fwd=stale"
		return false, false
	}
	c.hits.Add(1)
	x.cacheStatus = fmt.Sprintf("Afloat; hit; ttl=%d", int64(-over/time.Second))
	return x.answerKept(e), true
}

// share lets the request wait for one like it, whose answer may be its own too,
// or lead.
func (x *exchange) share(c *cache, key string) (keep, done bool) {
	if x.request.Method != "GET" {
		return false, false
	}
	k := &keeping{cache: c, key: key, x: x}
	x.tee = k
	if x.personal() || x.request.Get("If-None-Match") != nil || x.request.Get("If-Modified-Since") != nil || x.request.Get("If-Range") != nil {
		return false, false
	}
	f, leads := c.board(x.flightKey(key))
	switch {
	case f == nil:
		return false, false
	case leads:
		x.flight = f
		return false, false
	}
	e, here := x.awaitFlight(f)
	switch {
	case !here:
		return x.clientGone(), true
	case e == nil || !e.suits(x):
		return false, false
	}
	c.collapsed.Add(1)
	x.cacheStatus += "; collapsed"
	return x.answerKept(e), true
}

// flightKey is the same for requests whose answers should be the same: what
// usually makes a difference is part of it, and Vary decides in the end.
func (x *exchange) flightKey(key string) string {
	for _, name := range [...]string{"accept", "accept-encoding", "accept-language"} {
		key += "\x00" + joined(x.request.Fields, name)
	}
	return key + "\x00" + strconv.FormatUint(x.keptBy, 36)
}

// flightMax bounds the wait for another request where the route has no timeout.
const flightMax = 15 * time.Second

// awaitFlight waits for another request's answer, and reports whether the client
// is still there.
func (x *exchange) awaitFlight(f *flight) (e *entry, here bool) {
	patience := x.to.timeout
	if patience <= 0 {
		patience = flightMax
	}
	end := time.NewTimer(patience)
	defer end.Stop()
	defer x.presence.rest()
	select {
	case <-f.done:
		return f.end, true
	case <-end.C:
		return nil, true
	case <-x.present().Done():
		return nil, x.presence.Err() != context.Canceled
	}
}

// answerKept gives the client an answer that is kept.
func (x *exchange) answerKept(e *entry) (keep bool) {
	a := &ownAnswer{status: e.status, fields: x.keptFields(e), body: e.body, dated: true, age: int64(e.age() / time.Second)}
	if tag := field(e.fields, "etag"); e.status == 200 && tag != nil && matchesTag(x.request.Get("If-None-Match"), tag) {
		a.status, a.body = 304, ""
	}
	x.record.Status = a.status
	keep = x.client.answer(x, a)
	x.done()
	return keep
}

// keptFields are the fields of what is kept without those that the route says
// itself by now: it may have learned that since.
func (x *exchange) keptFields(e *entry) []http1.Field {
	says := func(f http1.Field) bool { return x.permission(f.Name) || x.editsBack().drops(f.Name) }
	if !slices.ContainsFunc(e.fields, says) {
		return e.fields
	}
	return slices.DeleteFunc(slices.Clone(e.fields), says)
}

// answerStale gives what is kept in place of a failure.
func (x *exchange) answerStale() (keep bool) {
	x.route.cache.stale.Add(1)
	x.route.cache.hits.Add(1)
	x.record.Reason = ReasonStale
	x.cacheStatus = fmt.Sprintf("Afloat; hit; ttl=%d; detail=stale-if-error", int64((x.stale.fresh-x.stale.age())/time.Second))
	return x.answerKept(x.stale)
}

// matchesTag compares an If-None-Match weakly (RFC 9110, 13.1.2).
func matchesTag(list, tag []byte) bool {
	weak := []byte("W/")
	for part := range bytes.SplitSeq(list, comma) {
		part = bytes.Trim(part, " \t")
		if string(part) == "*" || len(part) > 0 && bytes.Equal(bytes.TrimPrefix(part, weak), bytes.TrimPrefix(tag, weak)) {
			return true
		}
	}
	return false
}

func field(fields []http1.Field, name string) []byte {
	for i := range fields {
		if names(fields[i].Name, name) {
			return fields[i].Value
		}
	}
	return nil
}

// keeping is a response on its way into a cache.
type keeping struct {
	cache *cache
	key   string
	x     *exchange
	entry *entry // nil: it is not kept, or not any more
	kept  bool   // for later, and not only for those who wait
	body  strings.Builder
}

func (k *keeping) begin(x *exchange) {
	d := directivesOf(x.response.Fields)
	c := &k.cache.config
	fresh, storable := x.lifetime(&d, c.TTL)
	k.kept = storable && k.cache.keeps
	if !k.kept && !(x.flight != nil && x.shareable(&d) && x.response.Status < 500) || x.response.Framing.Length > int64(c.BodyBytes) || x.isEventStream() {
		k.drop()
		return
	}
	age := max(seconds(string(x.response.Get("Age"))), 0)
	e := &entry{
		key: k.key, status: x.response.Status, public: d.public || d.sMaxAge >= 0, from: x.among().hash,
		born: x.began.Add(-age), fresh: fresh, vary: map[string]string{},
	}
	if !d.mustRevalidate && d.sMaxAge < 0 { // s-maxage means that, too
		e.staleIfError, e.staleRefreshed = c.StaleIfError, c.StaleWhileRevalidate
		if d.staleIfError >= 0 {
			e.staleIfError = d.staleIfError
		}
		if d.staleWhileRevalidate >= 0 {
			e.staleRefreshed = d.staleWhileRevalidate
		}
	}
	varies(x.response.Fields, func(name string) { e.vary[name] = joined(x.request.Fields, name) })
	e.size = entryBytes + int64(len(k.key))
	for i := range x.response.Fields {
		if f := &x.response.Fields[i]; x.forwardsBack(f) && !names(f.Name, "age") {
			e.fields = append(e.fields, http1.Field{Name: bytes.Clone(f.Name), Value: bytes.Clone(f.Value)})
			e.size += int64(len(f.Name) + len(f.Value))
		}
	}
	k.entry = e
	if k.kept {
		x.cacheStatus += "; stored"
	}
}

func (k *keeping) write(p []byte) {
	switch {
	case k.entry == nil:
	case k.body.Len()+len(p) > k.cache.config.BodyBytes:
		k.drop()
	default:
		k.body.Write(p)
	}
}

func (k *keeping) end() {
	e := k.entry
	if e == nil {
		return
	}
	e.body = k.body.String()
	e.size += int64(k.body.Cap())
	if k.kept && e.size <= k.cache.config.BytesMax {
		k.cache.put(e)
	}
	if f := k.x.flight; f != nil {
		k.cache.land(f, e)
	}
}

// drop keeps nothing, and lets nobody wait for it.
func (k *keeping) drop() {
	k.entry = nil
	k.body = strings.Builder{}
	if f := k.x.flight; f != nil {
		k.cache.land(f, nil)
	}
}
