package gateway

import (
	"bytes"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// lookInterval is how often a wait for a response looks around: whether the
// client has gone, or the endpoint was found to hang.
const lookInterval = 100 * time.Millisecond

// awaitResponse reads the response's head. While the request's body is still
// on its way the time does not count.
func (x *exchange) awaitResponse(u *upstream, start time.Time) error {
	now := time.Now()
	left := x.tryLeft(start, now)
	end := now.Add(left)
	for {
		by := now.Add(lookInterval)
		if set := u.timed.readSet; set.After(now.Add(lookInterval/2)) && set.Before(by) {
			by = set // near enough: leave the deadline as it is
		}
		if end.Before(by) {
			by = end
		}
		err := x.readResponse(u, by)
		if err == nil {
			final, err := x.final()
			if final || err != nil {
				return err
			}
			continue
		}
		if !expired(err) {
			return err
		}
		now = time.Now()
		if x.body.sending() {
			x.began, end = now, now.Add(left)
		}
		if err := x.look(u.pool.endpoint, now, end); err != nil {
			return err
		}
	}
}

// look finds a reason not to wait for the response any longer, or none.
func (x *exchange) look(e *endpoint, now, end time.Time) error {
	if broken := x.body.broken(); broken != nil {
		return &bodyError{broken}
	}
	if x.late == 0 {
		x.late = e.overdue(now.Sub(x.began))
	}
	sending := x.body.sending()
	switch {
	case !now.Before(end):
		return errTimeout
	case x.session.closed.Load(), !sending && x.session.conn.Gone():
		return errClientGone
	case !sending && e.hangsSince(x.began) && x.to.retryOn.timeout && x.repeatable() && x.otherUsable():
		return errHung // and only then: else nothing helps but to wait on
	}
	return nil
}

// readResponse reads the response's head, and holds no buffer before its first
// byte has come: an endpoint that is slow has many requests waiting.
func (x *exchange) readResponse(u *upstream, by time.Time) error {
	u.timed.readBy = by
	if u.Buffered() == 0 {
		u.timed.setRead(by)
		if err := u.Await(); err != nil {
			return err
		}
	}
	return u.ReadResponse(&x.response, x.request.Method)
}

// errSwitch is why a change of protocol is not passed on.
var errSwitch = &http1.ProtocolError{Status: 502, Reason: "a change to a protocol that was not asked for"}

// final reports whether the response is the one that counts, rather than an
// interim one. Those are not passed on: a client was told to continue already.
func (x *exchange) final() (bool, error) {
	switch {
	case x.response.Status == 101 && (x.request.Upgrade == nil || !bytes.EqualFold(x.request.Upgrade, x.response.Upgrade)):
		return false, errSwitch
	case x.response.Status == 101:
		return true, nil
	}
	return x.response.Status >= 200, nil
}
