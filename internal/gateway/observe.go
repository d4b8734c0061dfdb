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
	// look-up.
	Route(route, service string) RequestObserver
	// Endpoint returns what counts the tries at an endpoint.
	Endpoint(service, endpoint string) TryObserver
	// Event is called for each change of state.
	Event(Event)
}

// A RequestObserver is told of each request of a route that has ended.
type RequestObserver interface {
	// Request must not keep the record or its byte slices.
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

	Client   netip.AddrPort
	Listener string
	Method   string
	Host     []byte
	Path     []byte

	Route, Service, Endpoint string
	// Status that the client got; 499 when it went away before.
	Status int
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
	return r.Status >= 500 || r.Reason != "" && r.Reason != ReasonClientGone && r.Reason != ReasonFallback
}

// Reason is why Afloat answered a request itself, or broke it off. It is a
// metric's label, an access log's field and, in words, the answer's body.
type Reason string

// The reasons.
const (
	ReasonNoRoute      Reason = "no_route"
	ReasonBadRequest   Reason = "bad_request"
	ReasonTooLarge     Reason = "body_too_large"
	ReasonRateLimited  Reason = "rate_limited"
	ReasonOverloaded   Reason = "overloaded"
	ReasonNoEndpoint   Reason = "no_endpoint"
	ReasonBreakerOpen  Reason = "breaker_open"
	ReasonUnreachable  Reason = "unreachable"
	ReasonReset        Reason = "reset"
	ReasonTimeout      Reason = "timeout"
	ReasonBadResponse  Reason = "bad_response"
	ReasonFault        Reason = "fault_injected"
	ReasonFallback     Reason = "fallback"
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
}

// EventKind is what an [Event] is about.
type EventKind string

// The kinds of events.
const (
	EventUp       EventKind = "endpoint_up"
	EventDown     EventKind = "endpoint_down"
	EventAdded    EventKind = "endpoint_added"
	EventRemoved  EventKind = "endpoint_removed"
	EventBreaker  EventKind = "breaker"
	EventEjected  EventKind = "endpoint_ejected"
	EventApplied  EventKind = "config_applied"
	EventListen   EventKind = "listening"
	EventDraining EventKind = "draining"
)

// nothing observes nothing.
type nothing struct{}

func (nothing) Route(string, string) RequestObserver { return nothing{} }
func (nothing) Endpoint(string, string) TryObserver  { return nothing{} }
func (nothing) Event(Event)                          {}
func (nothing) Request(*Record)                      {}
func (nothing) Try(policy.Class, time.Duration)      {}
