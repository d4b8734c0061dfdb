package gateway

import (
	"bytes"
	"errors"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// lookInterval is how often a wait for a response looks around: whether the
// client has gone, or the endpoint was found to hang.
const lookInterval = 100 * time.Millisecond

// awaitResponse reads the response's head. While the request's body is still
// on its way the time does not count.
func (x *exchange) awaitResponse(u upstream, start time.Time) error {
	now := start
	if kept, ok := u.(*upstreamConn); !ok || !kept.unsent { // else nothing was waited for
		now = later(start)
	}
	left := x.tryLeft(start, now)
	end, look := now.Add(left), lookInterval
	if x.body.streams() {
		look = asideAfter
	}
	for {
		by := now.Add(look)
		if end.Before(by) {
			by = end
		}
		err := u.receive(x, by)
		if err == nil {
			final, err := x.final()
			if final || err != nil {
				return err
			}
			continue
		}
		if _, unsent := errors.AsType[*http1.WriteError](err); unsent || !expired(err) {
			return err
		}
		now = time.Now()
		if late := now.Sub(by); late > stallLeast {
			end = end.Add(late) // Afloat stood still, and the response may be there
		}
		if x.body.sending() {
			x.began, end = now, now.Add(left)
		}
		x.leaveToOthers()
		look = lookInterval
		if err := x.look(x.asked.endpoint, now, end); err != nil {
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
	if owing, _ := e.owing(); owing >= lookInterval {
		e.service.doubt()
	}
	sending := x.body.sending()
	switch {
	case !now.Before(end), x.callOver(now):
		return errTimeout
	case x.client.gone(sending):
		return errClientGone
	case !sending && e.hangsSince(x.began) && x.to.retryOn.timeout && x.repeatable() && x.among().otherUsable(x.tried):
		return errHung // and only then: else nothing helps but to wait on
	}
	return nil
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
