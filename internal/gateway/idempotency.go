package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
	"github.com/afloat-dev/afloat/policyhttp/idempotency"
)

// onceOnly serves each key once. What that means is the library's business: the
// exchange is the handler that it calls for a key's first request.
type onceOnly struct {
	config  IdempotencyConfig
	handler *idempotency.Handler
	memory  *idempotency.Memory
}

// newOnceOnly compiles a route's IdempotencyConfig; nil for none. What is kept
// stays through a change, unless that is of how much may be.
func newOnceOnly(c *IdempotencyConfig, old *route) *onceOnly {
	if c == nil {
		return nil
	}
	o := &onceOnly{config: c.WithDefaults()}
	c = &o.config
	var before *onceOnly
	if old != nil {
		before = old.onceOnly
	}
	switch {
	case before != nil && before.config == o.config:
		return before
	case before != nil && before.config.EntriesMax == c.EntriesMax && before.config.BytesMax == c.BytesMax:
		o.memory = before.memory
	default:
		o.memory, _ = idempotency.NewMemory(idempotency.MemoryConfig{EntriesMax: c.EntriesMax, BytesMax: c.BytesMax}) // validated
	}
	set := idempotency.Config{
		Store: o.memory, Required: c.Required, Wait: c.Wait, WaitingMax: c.WaitingMax, Lease: c.Lease, KeepFor: c.KeepFor,
		BodyMax: c.BodyBytes, AnswerMax: c.AnswerBytes, Logger: slog.New(slog.DiscardHandler), // a Memory fails only when full
	}
	if c.By != (KeyConfig{}) {
		set.Client = func(r *http.Request) string { return string(exchangeOf(r.Context()).appendKey(nil, &c.By)) }
	} else {
		set.Client = credentials
	}
	o.handler, _ = idempotency.NewHandler(http.HandlerFunc(serveOnce), set) // validated
	return o
}

type exchangeOfContext struct{}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeOfContext{}).(*exchange) }

// credentials is by whom a request is made, where nothing is configured.
func credentials(r *http.Request) string {
	if id := exchangeOf(r.Context()).session.identity; id != "" && r.Header["Authorization"] == nil {
		return "identity " + id
	}
	return idempotency.ByCredentials(r)
}

// concerns reports whether the request is one whose key counts.
func (o *onceOnly) concerns(x *exchange) bool {
	m := x.request.Method
	return (m == "POST" || m == "PATCH") && !x.grpc && (o.config.Required || x.request.Get(idempotency.Header) != nil)
}

// runOnce serves a request with a key, whose body has been collected.
func (x *exchange) runOnce(o *onceOnly) (keep bool) {
	x.once = &once{client: x.client}
	x.client = x.once // it does not matter whether the client waits: a repeat will ask
	defer func() { x.client, x.once, x.tee = x.once.client, nil, nil }()
	w := &kept{header: http.Header{}}
	x.serveKey(o, w)
	switch {
	case x.once.ran:
		return x.once.keep
	case w.header.Get(idempotency.ReplayedHeader) != "":
		x.record.Reason = ReasonReplayed
	default:
		x.record.Reason = ReasonIdempotency
	}
	x.record.Status = w.status
	keep = x.client.answer(x, &ownAnswer{status: w.status, fields: sortedFields(w.header), body: w.body.String()})
	x.done()
	return keep
}

// once is the client of an exchange that is served to its end.
type once struct {
	client
	ran, keep bool
}

func (c *once) gone(bool) bool { return false }

// serveKey has the library serve the key.
func (x *exchange) serveKey(o *onceOnly, w http.ResponseWriter) {
	defer func() {
		if cause := recover(); cause != nil && cause != errNotDone {
			panic(cause)
		}
	}()
	o.handler.ServeHTTP(w, x.incoming())
}

// errNotDone frees the key of a request that got no whole answer.
var errNotDone = errors.New("the request got no answer")

// serveOnce is what the library calls for a key's first request.
func serveOnce(w http.ResponseWriter, r *http.Request) {
	x := exchangeOf(r.Context())
	if lease, ok := r.Context().Deadline(); ok && (x.deadline.IsZero() || lease.Before(x.deadline)) {
		x.deadline = lease
	}
	copied := &copied{w: w}
	x.tee = copied
	x.once.ran = true
	x.once.keep = x.served()
	if !copied.whole {
		panic(errNotDone)
	}
}

// incoming is the request as net/http has it.
func (x *exchange) incoming() *http.Request {
	r := &x.request
	in := &http.Request{
		Method: r.Method, Host: string(x.host), Header: make(http.Header, len(r.Fields)),
		URL:           &url.URL{Path: string(r.Path), RawPath: string(r.Path), RawQuery: string(r.Query)},
		Body:          io.NopCloser(bytes.NewReader(x.body.kept)),
		ContentLength: int64(len(x.body.kept)),
		RemoteAddr:    x.originator.client.String(),
	}
	for i := range r.Fields {
		name := http.CanonicalHeaderKey(string(r.Fields[i].Name))
		in.Header[name] = append(in.Header[name], string(r.Fields[i].Value))
	}
	return in.WithContext(context.WithValue(context.Background(), exchangeOfContext{}, x))
}

// kept is an answer of the library's. What the exchange answers it drops, which
// has gone to the client by another way.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *kept) Header() http.Header { return w.header }

func (w *kept) WriteHeader(status int) { w.status = status }

func (w *kept) Write(p []byte) (int, error) { return w.body.Write(p) }

// copied is a response on its way to the store.
type copied struct {
	w     http.ResponseWriter
	whole bool
}

func (c *copied) begin(x *exchange) {
	for i := range x.response.Fields {
		if f := &x.response.Fields[i]; x.forwardsBack(f) {
			c.w.Header().Add(string(f.Name), string(f.Value))
		}
	}
	c.w.WriteHeader(x.response.Status)
}

func (c *copied) write(p []byte) { _, _ = c.w.Write(p) } // it keeps what it can

func (c *copied) end() { c.whole = true }

// tee gets a copy of the response.
type tee interface {
	// begin is called when the response's head has come.
	begin(x *exchange)
	write(p []byte)
	// end is called when its body has come to its end.
	end()
}

// sortedFields are the fields of a header map.
func sortedFields(h http.Header) (fields []http1.Field) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			fields = append(fields, http1.Field{Name: []byte(name), Value: []byte(value)})
		}
	}
	return fields
}
