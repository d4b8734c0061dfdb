package gateway

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
	"github.com/afloat-dev/afloat/policy"
)

// reached is a connection to an endpoint of a service, or why there is none.
type reached struct {
	conn     *upstreamConn
	endpoint *endpoint // that was asked last; nil: none was
	tries    int
	reason   Reason
	err      error
}

// reach connects to an endpoint, and to another one where that fails, as often
// as the service repeats tries; where none is there, it waits for one, for as long
// as the service holds. The endpoint counts the connection until it is told that it
// has ended.
func (s *service) reach(ctx context.Context, draw uint64) (r reached) {
	tries := s.retry.Begin()
	var tried []*endpoint
	began, gone := time.Now(), func(time.Time) bool { return ctx.Err() != nil }
	for {
		hold := s.hold()
		patient := hold > 0 && s.holdUntil(began.Add(hold), s.opens, gone) && time.Since(began) < hold
		c, reason, _ := s.choose(demand{tried: tried, draw: draw, at: time.Now(), patient: patient})
		if reason != "" && patient {
			continue // another was faster
		}
		if reason != "" {
			r.reason, r.err = reason, errors.New(string(reason))
			return r
		}
		var class policy.Class
		r.tries, r.endpoint = r.tries+1, c.endpoint
		if r.conn, class, r.err = s.connect(ctx, c); r.err == nil {
			return r
		}
		tried = append(tried, c.endpoint)
		other := s.otherUsable(tried)
		if class == policy.Shed && other {
			continue // it was not asked
		}
		if hold := s.hold(); hold > 0 && s.holdUntil(began.Add(hold), s.opens, gone) {
			continue // what it lacked is there
		}
		wait, again, _ := tries.Again(class, 0, 0)
		if !again {
			r.reason = ReasonUnreachable
			switch {
			case ctx.Err() != nil:
				r.reason = ReasonShuttingDown
			case class == policy.Shed:
				r.reason = ReasonOverloaded
			}
			return r
		}
		if other {
			wait = 0 // it did not fail: it need not be spared
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			r.reason, r.err = ReasonShuttingDown, ctx.Err()
			return r
		}
	}
}

// connect tries the endpoint that was chosen.
func (s *service) connect(ctx context.Context, c choice) (*upstreamConn, policy.Class, error) {
	e := c.endpoint
	start := time.Now()
	l, err := e.pool.connect(ctx, s.config.Load().ConnectTimeout, nil)
	class := e.unconnected(ctx, err, start)
	c.permit.Done(class)
	if class != policy.Shed { // else it was not asked
		now := time.Now()
		e.tried(class, now, now.Sub(start), 0, err)
	}
	if c.scouts {
		s.returned(&outcome{class: class})
	}
	if err != nil {
		e.inFlight.Add(-1)
		return nil, class, err
	}
	return e.pool.conn(l), class, nil
}

// unconnected classifies how connecting went, and takes out an endpoint to which
// it failed.
func (e *endpoint) unconnected(ctx context.Context, err error, start time.Time) policy.Class {
	switch {
	case err == nil:
		return policy.Success
	case errors.Is(err, errConnections), exhausted(err):
		return policy.Shed
	case ctx.Err() != nil:
		return policy.Ignored
	case expired(err) && e.service.lag.stalledSince(start, time.Now()):
		return policy.Failure // or Afloat's own fault
	}
	e.markDown("connecting failed: " + shortError(err).Error())
	return policy.Failure
}

// drawFor is what the choice of an endpoint for a client's connection depends on.
func (s *service) drawFor(client netip.Addr) uint64 {
	if c := s.config.Load(); c.Balance.byKey() {
		return c.Hash.draw(new(http1.Request), client)
	}
	return rand.Uint64()
}
