package gateway

import (
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// claims are what those who sent a request say of it in the fields of package
// policyhttp, as far as it is believed.
type claims struct {
	priority policy.Priority
	before   int       // tries before this request, by those who sent it
	end      time.Time // when they stop waiting; zero: not said
}

// What is believed of these fields at most.
const (
	attemptMax       = 1000
	callerTimeoutMax = 24 * time.Hour
	// timeoutMargin is how much sooner an endpoint is told to give up, for the
	// way there and back.
	timeoutMargin = 5 * time.Millisecond
)

var (
	nameAttempt  = []byte("Afloat-Attempt")
	namePriority = []byte("Afloat-Priority")
	nameTimeout  = []byte("Afloat-Timeout-Ms")
)

// findClaims reads what the request's caller says. Anybody may stand back for
// others, ask for less time and for fewer tries.
func (x *exchange) findClaims(start time.Time) {
	c := &x.claims
	*c = claims{priority: x.route.priority}
	for i := range x.request.Fields {
		switch f := &x.request.Fields[i]; len(f.Name) {
		case len(nameAttempt):
			if n, ok := number(f.Value); ok && n > 1 && c.before == 0 && names(f.Name, "afloat-attempt") {
				c.before = int(min(n, attemptMax)) - 1
			}
		case len(namePriority):
			if names(f.Name, "afloat-priority") {
				c.priority = c.priority.Received(policy.Priority(f.Value), x.originator.trusted)
			}
		case len(nameTimeout):
			if ms, ok := number(f.Value); ok && ms > 0 && c.end.IsZero() && names(f.Name, "afloat-timeout-ms") {
				c.end = start.Add(time.Duration(min(ms, callerTimeoutMax.Milliseconds())) * time.Millisecond)
			}
		}
	}
}

// number reads a number of up to 15 digits.
func number(text []byte) (n int64, ok bool) {
	if len(text) > 15 || !digits(text) {
		return 0, false
	}
	for _, b := range text {
		n = n*10 + int64(b-'0')
	}
	return n, true
}

// addClaims tells the endpoint what the caller said, and what became of it here.
func (x *exchange) addClaims() {
	c, e := &x.claims, &x.extras
	if c.priority != policy.PriorityNormal {
		e.addText(namePriority, string(c.priority))
	}
	if n := c.before + x.repeats + 1; n > 1 {
		e.addInt(nameAttempt, int64(n))
	}
	end := c.end
	if x.to.tellsEnd && !x.deadline.IsZero() {
		end = x.deadline // no later than the caller's
		if x.to.tryTimeout > 0 && x.began.Add(x.to.tryTimeout).Before(end) {
			end = x.began.Add(x.to.tryTimeout)
		}
	}
	if !end.IsZero() {
		e.addInt(nameTimeout, max((time.Until(end)-timeoutMargin).Milliseconds(), 1))
	}
}

// callerEnd is when the request's time is over by what its caller gave it; zero
// where it gave more than the service does, or did not say.
func (x *exchange) callerEnd() time.Time {
	if x.deadline.Equal(x.claims.end) || x.deadline.Equal(x.callEnd) {
		return x.deadline
	}
	return time.Time{}
}

// callerLeft reports whether the request's time is over because its caller gave
// it less than the service does. That is not the endpoint's failure: otherwise a
// client could have it ejected at will.
func (x *exchange) callerLeft() bool {
	end := x.callerEnd()
	return !end.IsZero() && time.Until(end) <= 0
}

// callerLeaves is callerLeft, or soon: an endpoint that knows of the end may give
// up a little before.
func (x *exchange) callerLeaves() bool {
	end := x.callerEnd()
	return !end.IsZero() && time.Until(end) <= max(2*timeoutMargin, end.Sub(x.record.Start)/10)
}

// user is on whose behalf the request is, where many wait for the service.
func (x *exchange) user(by *KeyConfig) string {
	if *by == (KeyConfig{Client: true}) && x.originator.client == x.session.client.Addr() {
		return x.session.user
	}
	x.key = x.appendKey(x.key[:0], by)
	return string(x.key)
}
