package gateway

import (
	"cmp"
	"time"
)

// FallbackConfig answers in place of a failure: another service, or a static
// answer, or the one and then the other.
type FallbackConfig struct {
	// Service is asked in place of the one that failed, unless a request that may
	// be done only once has reached that. Default: none.
	Service string `yaml:"service"`
	// Status of the static answer. Default 200.
	Status int `yaml:"status"`
	// ContentType of the static answer. Default text/plain; charset=utf-8.
	ContentType string `yaml:"contentType"`
	// Body of the static answer, at most 64 KiB.
	Body string `yaml:"body"`
}

// static reports whether there is a static answer.
func (c *FallbackConfig) static() bool { return c.Service == "" || c.Status != 0 || c.Body != "" }

// refusal is an answer that is put off while another service is asked.
type refusal struct {
	status int
	reason Reason
	why    string
	err    error
}

// mendable reports whether a failure has something better than itself.
func (x *exchange) mendable() bool { return x.stale != nil || x.fallback() != nil || x.mayFallBack() }

// fallback is what answers in place of a failure. A call of gRPC could not read
// it.
func (x *exchange) fallback() *FallbackConfig {
	if f := x.route.fallback; f != nil && !x.grpc && f.static() {
		return f
	}
	return nil
}

// mayFallBack reports whether another service may be asked for the request.
func (x *exchange) mayFallBack() bool {
	return x.route.fallbackTo != nil && !x.fellBack && x.body.replayable() && (!x.reached || x.repeatableMethod())
}

// served has the request served, if need be by the service to fall back on.
func (x *exchange) served() (keep bool) {
	keep = x.limited()
	r := x.putOff
	if r == nil {
		return keep
	}
	x.putOff = nil
	to := x.route.fallbackTo
	if x.setDeadline(to.timeout); x.left() == 1 || !to.service.enter() { // its caller waits no longer, or it ends
		return x.reject(r.status, r.reason, r.why, r.err)
	}
	x.to.service.leave()
	x.route.counts.fallbacks.Add(1)
	x.to, x.tried, x.fault, x.repeats = to, x.tried[:0], nil, 0
	x.record.Service, x.record.Reason = to.service.name, ReasonFallback
	return x.limited()
}

// setDeadline bounds the request from now on by a timeout, and by how long those
// who sent it wait.
func (x *exchange) setDeadline(timeout time.Duration) {
	x.deadline = time.Time{}
	if timeout > 0 {
		x.deadline = later(x.record.Start).Add(timeout)
	}
	for _, end := range [...]time.Time{x.callEnd, x.claims.end} {
		if !end.IsZero() && (x.deadline.IsZero() || end.Before(x.deadline)) {
			x.deadline = end
		}
	}
}

// answerFallback gives the static answer.
func (x *exchange) answerFallback(f *FallbackConfig) (keep bool) {
	x.record.Reason = ReasonFallback
	x.route.counts.fallbacks.Add(1)
	return x.answer(cmp.Or(f.Status, 200), cmp.Or(f.ContentType, "text/plain; charset=utf-8"), f.Body, 0)
}

// FallbackStatus is what answers in place of a route's failures.
type FallbackStatus struct {
	// Service is asked first; empty: none.
	Service string `json:"service,omitempty"`
	// Status is that of the static answer; 0 where there is none.
	Status int `json:"status,omitempty"`
	// Used is how often the one or the other was turned to.
	Used uint64 `json:"used"`
}

// fallbackStatus is nil for a route that has no fallback.
func (r *route) fallbackStatus() *FallbackStatus {
	f := r.fallback
	if f == nil {
		return nil
	}
	st := &FallbackStatus{Service: f.Service, Used: r.counts.fallbacks.Load()}
	if f.static() {
		st.Status = cmp.Or(f.Status, 200)
	}
	return st
}
