package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
	"github.com/afloat-dev/afloat/policy"
)

// exchange is a request and its response. A session uses one again and again.
type exchange struct {
	session    *session // the client's connection
	client     client
	request    http1.Request
	originator originator
	claims     claims
	id         [32]byte // of the request, unless it came with one
	extras     extras
	key        []byte
	under      policy.Limits
	host       []byte // without port, in lower case
	scratch    [64]byte
	record     Record

	route       *route
	matched     *matcher // by which of its alternatives; nil where it has none
	to          *destination
	version     *version     // of the service, that the try goes to; nil: any
	drawn       uint64       // by which the version is chosen; 0: not drawn yet
	pinned      bool         // the version stays
	newcomer    *http.Cookie // that a user without one gets; nil: none
	place       place        // where the client's requests go already; zero: anywhere
	location    []byte       // where the client is sent
	mirrored    bool         // it is a copy, whose answer nobody gets
	lane        *lane        // of the present try, where another may end it
	race        *race        // that the present try begins; nil: none
	deadline    time.Time    // of the response's begin; zero: none
	grpc        bool
	callEnd     time.Time // the deadline of a whole call of gRPC; zero: none
	fault       *fault    // that hits tries; nil: none
	pace        pace      // of the response's body
	keyed       *onceOnly // that serves the request's key; nil: none does
	once        *once     // the client while it does
	stale       *entry    // that is given in place of a failure; nil: none
	flight      *flight   // whose answer others wait for; nil: nobody does
	cacheStatus string    // RFC 9211; empty: there is no cache
	keptBy      uint64    // the subset whose kept answers it may have
	presence    presence
	tee         tee // that gets a copy of the response; nil: none
	body        requestBody
	span        [8]byte   // of the present try
	spans       []TrySpan // of the tries, where the request is part of a trace
	tried       []*endpoint
	repeats     int  // how many of them may have taken the request, but the last
	lasting     bool // the failure is not to be repeated by those further out
	reached     bool // an endpoint may have taken the request
	fellBack    bool // on another service
	putOff      *refusal
	triedMem    [4]*endpoint

	asked    choice        // of the present try
	upstream upstream      // of the present try
	now      time.Time     // the time if it was read just now; else zero
	began    time.Time     // when the present try did, or the end of what it streamed
	late     time.Duration // of the present try's time, what its endpoint has counted
	stood    bool          // Afloat itself stood still during a try of the request
	forgiven bool          // the present try's failure may be Afloat's own fault
	response http1.Response
	answered bool // a response has begun to go to the client

	room  policy.AdaptivePermit // the place under the service's concurrency limit
	aside bool                  // it has been left to others meanwhile
	watch watch                 // of the response while it is passed on
}

func (x *exchange) begin(start time.Time) {
	x.record = Record{
		Start:    start,
		Client:   x.session.client,
		Identity: x.session.identity,
		Listener: x.session.listener.address,
		Protocol: x.client.protocol(),
		Method:   x.request.Method,
		Host:     x.request.Host,
		Path:     x.request.Path,
	}
	x.route, x.matched, x.to, x.upstream = nil, nil, nil, nil
	x.place, x.location, x.now = place{}, nil, time.Time{}
	x.version, x.drawn, x.pinned, x.newcomer = nil, 0, false, nil
	x.deadline, x.callEnd, x.grpc = time.Time{}, time.Time{}, false
	x.fault, x.pace, x.keyed, x.once, x.cacheStatus = nil, pace{}, nil, nil, ""
	x.body.prepare(x)
	x.tried = x.triedMem[:0]
	x.answered, x.lasting, x.repeats = false, false, 0
	x.reached, x.fellBack, x.putOff = false, false, nil
	x.span, x.spans = [8]byte{}, x.spans[:0]
}

// run serves the request and reports whether the connection can serve another.
func (x *exchange) run(start time.Time) (keep bool) {
	x.begin(start)
	defer x.end()
	if !x.request.Framing.None() {
		x.request.Upgrade = nil // nobody may switch protocols in the middle of a body
	}
	x.beginGRPC()
	x.findOrigin()
	x.findID()
	x.findTrace()
	if x.originator.client != x.session.client.Addr() {
		x.record.Client, x.record.Peer = netip.AddrPortFrom(x.originator.client, 0), x.session.client
	}
	x.host = hostOnly(x.request.Host, x.scratch[:])
	if keep, done := x.challenge(); done {
		return keep
	}
	if why := x.settlePath(); why != "" {
		return x.refuse(400, ReasonBadRequest, why)
	}
	if why := x.session.listener.access.Load().refuses(x); why != "" {
		return x.refuse(403, ReasonDenied, why)
	}
	if !x.findRoute() {
		return x.unrouted()
	}
	x.route.counts.requests.Add(1)
	if x.record.Route = x.route.name; x.to != nil {
		x.record.Service = x.to.service.name
	}
	if k := x.route.cors; k != nil {
		if keep, done := x.preflight(k); done {
			return keep
		}
	}
	if why := x.route.access.refuses(x); why != "" {
		x.route.counts.denied.Add(1)
		return x.refuse(403, ReasonDenied, why)
	}
	x.findClaims(start)
	if m := &x.session.listener.gateway.memory; m.level.Load() != 0 && scarcity(m.level.Load()).bars(x.claims.priority) {
		return x.scarce(m)
	}
	if !x.route.limits.none() {
		if err := x.admit(); err != nil {
			if errors.Is(err, context.Canceled) {
				return x.clientGone()
			}
			x.route.counts.limited.Add(1)
			return x.reject(429, ReasonRateLimited, "the route's rate limit is reached", err)
		}
	}
	if keep, done := x.injectFault(); done {
		return keep
	}
	if x.to == nil {
		return x.respond()
	}
	if c := x.route.cache; c != nil {
		if keep, done := x.fromCache(c); done {
			return keep
		}
	}
	if o := x.route.onceOnly; o != nil && o.concerns(x) {
		x.keyed = o
	}
	if status, reason, why := x.body.collect(); status != 0 {
		return x.refuse(status, reason, why)
	}
	if x.route.mirrors != nil {
		x.mirror()
	}
	if s := x.to.service.split.Load(); s != nil && s.mirrors {
		x.mirrorVersions(s)
	}
	x.setDeadline(x.to.timeout)
	if x.keyed != nil {
		return x.runOnce(x.keyed)
	}
	return x.served()
}

// findRoute finds the request's route, and a service that stays until the
// exchange ends.
func (x *exchange) findRoute() bool {
	p := x.session.listener.passthrough
	if p != nil && p.config.Load().Inbound {
		return x.passOn(p)
	}
	for {
		t := x.session.listener.gateway.table.Load()
		if x.route = t.find(x); x.route == nil && p != nil {
			x.route = t.owner(x.session.original)
		}
		if x.route == nil {
			return p != nil && x.passOn(p)
		}
		if len(x.route.to) == 0 {
			return true
		}
		to := (*destination)(nil)
		if x.route.sticky != nil {
			to = x.settled()
		}
		if to == nil {
			to = x.route.pick()
		}
		if to.service.enter() {
			x.to = to
			return true
		} // else a new table took the place of that one just now
	}
}

// end gives back what the exchange still holds.
func (x *exchange) end() {
	if x.asked.endpoint != nil { // it panics
		x.endTry(policy.Failure)
		x.drop()
	}
	x.body.release()
	if x.flight != nil {
		x.route.cache.land(x.flight, nil)
	}
	x.tee, x.stale, x.flight = nil, nil, nil // the connection may be idle for long
	if x.to != nil {
		x.to.service.leave()
	}
}

// queuedLong is from which wait on it is worth to look whether the client still
// wants its answer: after an overload, or a stall of Afloat itself, many do not.
const queuedLong = 10 * time.Millisecond

// limited runs the tries under the service's concurrency limit.
func (x *exchange) limited() (keep bool) {
	s := x.to.service
	c := s.config.Load()
	class := policy.Failure // of a panic
	defer func() { x.yield(class) }()
	if c.Concurrency.Disabled {
		keep, class = x.try()
		return keep
	}
	if s.brown(x.claims.priority) {
		s.browned.Add(1)
		return x.reject(503, ReasonBrownout, "the service has been overloaded for a while: requests of this priority are refused", errBrownout)
	}
	by := policy.Caller{Priority: x.claims.priority, Key: x.user(&x.to.user)}
	var err error
	if x.room, err = x.enter(s, by); err != nil {
		class = policy.Shed
		if errors.Is(err, context.Canceled) || x.record.Decisions.Held > 0 && x.client.gone(false) {
			return x.clientGone()
		}
		return x.reject(503, ReasonOverloaded, "the service has as many requests as it can bear", err)
	}
	x.now = later(x.record.Start)
	if x.now.Sub(x.record.Start) > queuedLong && x.client.gone(false) {
		class = policy.Shed // gives the place back and teaches nothing
		return x.clientGone()
	}
	x.stood = false
	keep, class = x.try()
	return keep
}

// try asks endpoints until one gives an answer that is final.
func (x *exchange) try() (keep bool, class policy.Class) {
	tries := x.to.retry.Begin()
	for {
		var o outcome
		if x.to.hedge != nil && len(x.tried) == 0 {
			o = x.hedged()
		} else {
			o = x.attempt()
		}
		if o.unasked() && x.body.replayable() && x.among().otherUsable(x.tried) {
			x.endTry(o.class)
			x.record.Tries--
			continue // no try has been made
		}
		if o.reason == ReasonUnreachable && x.body.replayable() {
			if held, _ := x.held(); held {
				x.endTry(o.class)
				continue // what it lacked is there
			}
		}
		if !o.repeatable(x) {
			return x.finish(&o)
		}
		left := x.left()
		wait, again, why := tries.Again(policy.Failure, o.retryAfter, left) // whoever is to blame for a listed status
		if !again {
			if why != nil {
				x.record.Decisions.Stopped = why.Error()
			}
			return x.finish(&o)
		}
		if o.sent {
			x.repeats++
		}
		x.endTry(o.class)
		x.drop()
		if tries.Count() == 2 && o.retryAfter == 0 && x.among().otherUsable(x.tried) {
			wait = 0 // another endpoint did not fail: it need not be spared
		}
		if !x.pause(wait) {
			return x.clientGone(), policy.Ignored
		}
	}
}

// takeNow is the time now. What was read just now serves once, and only what
// waits for nothing may come between.
func (x *exchange) takeNow() time.Time {
	now := x.now
	if x.now = (time.Time{}); now.IsZero() {
		now = later(x.record.Start)
	}
	return now
}

// left is the time until the deadline; zero when there is none.
func (x *exchange) left() time.Duration {
	if x.deadline.IsZero() {
		return 0
	}
	return max(time.Until(x.deadline), 1)
}

// finish gives the client what the last try brought.
func (x *exchange) finish(o *outcome) (keep bool, class policy.Class) {
	x.lasting = o.lasting(x)
	switch why := x.refusesJoin(o); {
	case why != "":
		x.endProbe(o)
		x.drop()
		x.yield(o.class)
		keep, class = x.reject(502, ReasonBadResponse, why, nil), o.class
	case x.becomesStream(o) && !x.stepAside():
		x.endProbe(o)
		x.drop()
		x.yield(o.class)
		keep, class = x.reject(503, ReasonOverloaded, "the service has as many streams under way as it may", errStreams), o.class
	case o.status == 101:
		x.endProbe(o)
		keep, class = x.tunnel()
	case o.status != 0 && (o.class == policy.Success || !x.mendable()):
		x.endProbe(o)
		keep, class = x.relay(o)
	case o.reason == ReasonClientGone:
		keep, class = x.clientGone(), policy.Ignored
	default:
		x.drop()
		class = o.class
		x.yield(class)
		keep = x.reject(o.answer(), o.reason, o.words(), o.err)
	}
	x.endTry(class)
	return keep, class
}

// refusesJoin says why an answer is not passed on to a client that asked for a
// WebSocket on a stream; empty where it is.
func (x *exchange) refusesJoin(o *outcome) string {
	if st, ok := x.client.(*stream); ok {
		return st.refusesJoin(o.status, &x.response)
	}
	return ""
}

// drop closes the present try's connection: its exchange did not end well.
func (x *exchange) drop() {
	if x.upstream != nil {
		x.body.leave(x.upstream)
		x.upstream.discard()
		x.upstream = nil
	}
}

// pause waits, and reports whether the client is still there.
func (x *exchange) pause(d time.Duration) bool {
	const look = 250 * time.Millisecond
	for d > 0 {
		step := min(d, look)
		time.Sleep(step)
		d -= step
		if x.client.gone(false) {
			return false
		}
	}
	return true
}

// clientGone ends an exchange that nobody waits for any more.
func (x *exchange) clientGone() bool {
	x.drop()
	x.record.Status, x.record.Reason = 499, ReasonClientGone
	x.done()
	return false
}

// done tells the observer that the exchange has ended.
func (x *exchange) done() {
	x.record.Duration = x.takeNow().Sub(x.record.Start)
	if x.record.FirstByte == 0 {
		x.record.FirstByte = x.record.Duration
	}
	x.record.RequestBytes = x.body.bytes
	x.record.Spans = x.spans
	x.record.Decisions.Cache = x.cacheStatus
	switch {
	case x.to != nil:
		x.to.observer.Request(&x.record)
	case x.route != nil && x.route.observer != nil:
		x.route.observer.Request(&x.record)
	default:
		x.session.listener.gateway.unrouted.Request(&x.record)
	}
}

func contains(all []*endpoint, e *endpoint) bool {
	for _, one := range all {
		if one == e {
			return true
		}
	}
	return false
}

// Why a try was given up.
var (
	errTimeout    = errors.New("no response in time")
	errHung       = errors.New("the endpoint hangs")
	errClientGone = errors.New("the client went away")
)
