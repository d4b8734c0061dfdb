package gateway

import (
	"net/netip"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// An Observer is told what the gateway does. Its methods are called by many
// goroutines at once and must not block.
type Observer interface {
	// Route returns what counts the requests of a route to a service. It is
	// called when a configuration is applied, so that a request costs no
	// look-up. What is not asked for between two EventApplied is of a route that
	// is gone: only requests under way use it still.
	Route(route, service string) RequestObserver
	// Endpoint returns what counts the tries at an endpoint.
	Endpoint(service, endpoint string) TryObserver
	// Event is called for each change of state.
	Event(Event)
}

// A RequestObserver is told of each request of a route that has ended.
type RequestObserver interface {
	// Request must not keep the record or its slices.
	Request(*Record)
}

// A TryObserver is told of each try at an endpoint.
type TryObserver interface {
	// Try is told how the try ended and after which time its response began.
	Try(class policy.Class, took time.Duration)
}

// Record is what is known of a request once it has ended.
type Record struct {
	// Start is when the request's head had been read.
	Start time.Time
	// Duration is from Start until the last byte was handed to the client.
	Duration time.Duration
	// FirstByte is from Start until the response began.
	FirstByte time.Duration

	// Client is who sent the request; its port is 0 where trusted peers say so,
	// and Peer then is the other end of the connection.
	Client, Peer netip.AddrPort
	// RequestID is the request's own, for finding it in the logs of others.
	RequestID []byte
	// Trace is the request's place in a distributed trace, and Spans are its
	// tries where Afloat takes part in it. Decisions are what policies did.
	Trace     TraceContext
	Spans     []TrySpan
	Decisions Decisions
	// Identity is who the client is by its certificate: its SPIFFE ID, else its
	// first DNS name, else its common name; empty without one.
	Identity string
	Listener string
	// Protocol is what the client spoke: HTTP/1.0, HTTP/1.1 or HTTP/2.
	Protocol string
	Method   string
	Host     []byte
	Path     []byte

	Route, Service, Endpoint string
	// Status that the client got; 499 when it went away before, and 0 when a
	// fault kept it from getting any.
	Status int
	// GRPC is the name of the status with which a call of gRPC ended, such as
	// UNAVAILABLE; empty for all else.
	GRPC string
	// Reason is why Afloat answered in place of the service, or broke the
	// response off; empty for the service's own answer.
	Reason Reason
	// Tries is how many endpoints were asked; 0 when none was.
	Tries int
	// RequestBytes and ResponseBytes are the sizes of the bodies.
	RequestBytes, ResponseBytes int64
}

// Failed reports whether the user was failed: by an error or by being shed.
func (r *Record) Failed() bool {
	return r.Status >= 500 || grpcFailed(r.GRPC) || r.Reason.failed()
}

// failed reports whether what Afloat did in place of the service failed the user.
func (r Reason) failed() bool {
	switch r {
	case "", ReasonClientGone, ReasonFallback, ReasonReplayed, ReasonStale:
		return false
	}
	return true
}

// OfClient reports whether the client itself led to it: what it asked for is not
// to be had, or it asked too often or too slowly.
func (r Reason) OfClient() bool {
	switch r {
	case ReasonNoRoute, ReasonBadRequest, ReasonDenied, ReasonTooLarge, ReasonRateLimited, ReasonIdempotency, ReasonNotCached,
		ReasonClientGone, ReasonClientSlow, ReasonShuttingDown:
		return true
	}
	return false
}

func grpcFailed(name string) bool {
	switch name {
	case "UNKNOWN", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS":
		return true
	}
	return false
}

// Reason is why Afloat answered a request itself, or broke it off. It is a
// metric's label, an access log's field and, in words, the answer's body.
type Reason string

// The reasons.
const (
	ReasonNoRoute      Reason = "no_route"
	ReasonBadRequest   Reason = "bad_request"
	ReasonDenied       Reason = "access_denied"
	ReasonTooLarge     Reason = "body_too_large"
	ReasonRateLimited  Reason = "rate_limited"
	ReasonOverloaded   Reason = "overloaded"
	ReasonBrownout     Reason = "brownout"
	ReasonMemory       Reason = "memory"
	ReasonNoEndpoint   Reason = "no_endpoint"
	ReasonBreakerOpen  Reason = "breaker_open"
	ReasonUnreachable  Reason = "unreachable"
	ReasonReset        Reason = "reset"
	ReasonTimeout      Reason = "timeout"
	ReasonBadResponse  Reason = "bad_response"
	ReasonFault        Reason = "fault_injected"
	ReasonFallback     Reason = "fallback"
	ReasonReplayed     Reason = "replayed"        // as an Idempotency-Key was answered before
	ReasonIdempotency  Reason = "idempotency_key" // it is wrong, missing, in use or another request's
	ReasonStale        Reason = "stale"           // from the cache, in place of a failure
	ReasonNotCached    Reason = "not_cached"      // and the client wants nothing else
	ReasonRedirected   Reason = "redirected"
	ReasonResponded    Reason = "responded"
	ReasonPreflight    Reason = "preflight" // a browser was told what a page may do
	ReasonClientGone   Reason = "client_gone"
	ReasonClientSlow   Reason = "client_slow"
	ReasonBrokenOff    Reason = "broken_off"
	ReasonShuttingDown Reason = "shutting_down"
)

// Event is a change of state that an operator may want to know of.
type Event struct {
	Time time.Time
	// Kind says what happened: see the Event constants.
	Kind EventKind
	// Service and Endpoint are what it happened to; either may be empty.
	Service, Endpoint string
	// From and To are the states of a change.
	From, To string
	// Why explains it in words, with the figures that decided.
	Why string
	// Who did it, of what people do; may be empty.
	Who string
}

// EventKind is what an [Event] is about.
type EventKind string

// The kinds of events.
const (
	EventUp      EventKind = "endpoint_up"
	EventDown    EventKind = "endpoint_down"
	EventAdded   EventKind = "endpoint_added"
	EventRemoved EventKind = "endpoint_removed"
	EventBreaker EventKind = "breaker"
	EventEjected EventKind = "endpoint_ejected"
	EventApplied EventKind = "config_applied"
	// EventKeysLoaded and EventKeysRefused are about certificates that were
	// replaced in their files.
	EventKeysLoaded  EventKind = "certificates_loaded"
	EventKeysRefused EventKind = "certificates_refused"
	EventListen      EventKind = "listening"
	EventDraining    EventKind = "draining"
	// EventBrownout is about whose requests a saturated service refuses, and
	// EventMemory about whose requests there is no memory for.
	EventBrownout EventKind = "brownout"
	EventMemory   EventKind = "memory"
	// EventFault is about a fault that was injected into a running route.
	EventFault EventKind = "fault"
	// EventLever is about what an operator does to an endpoint by hand.
	EventLever EventKind = "lever"
)

// nothing observes nothing.
type nothing struct{}

func (nothing) Route(string, string) RequestObserver { return nothing{} }
func (nothing) Endpoint(string, string) TryObserver  { return nothing{} }
func (nothing) Event(Event)                          {}
func (nothing) Request(*Record)                      {}
func (nothing) Try(policy.Class, time.Duration)      {}
