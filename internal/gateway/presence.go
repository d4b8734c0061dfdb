package gateway

import (
	"context"
	"sync"
	"time"
)

// presence is the context of what a request waits for before it is sent to
// anybody, such as its turn, a place or another's answer: it ends when the client has left, or has no time any more. It costs
// nothing until something waits.
type presence struct {
	x    *exchange
	done chan struct{} // nil: nothing waits

	mu   sync.Mutex
	err  error
	look *time.Timer // nil: nothing waits any more
}

// present is the exchange's presence. Whoever has waited ends it by rest.
func (x *exchange) present() *presence {
	x.presence.x = x
	return &x.presence
}

// Deadline is that of the client. Those of the configuration begin later.
func (p *presence) Deadline() (end time.Time, ok bool) {
	for _, t := range [...]time.Time{p.x.callEnd, p.x.claims.end} {
		if !t.IsZero() && (!ok || t.Before(end)) {
			end, ok = t, true
		}
	}
	return end, ok
}

// Done is closed soon after the client has left.
func (p *presence) Done() <-chan struct{} {
	if p.done == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.done = make(chan struct{})
		p.look = time.AfterFunc(lookInterval, p.check)
	}
	return p.done
}

// check looks whether the client is still there. Nothing else uses the client
// meanwhile: the exchange waits.
func (p *presence) check() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.look == nil {
		return
	}
	switch end, ok := p.Deadline(); {
	case p.x.client.gone(false):
		p.err = context.Canceled
	case ok && time.Until(end) <= 0:
		p.err = context.DeadlineExceeded
	default:
		p.look.Reset(lookInterval)
		return
	}
	close(p.done)
}

// rest ends the looking.
func (p *presence) rest() {
	if p.done == nil {
		return
	}
	p.mu.Lock()
	p.look.Stop()
	p.look = nil
	p.mu.Unlock()
	p.done, p.err = nil, nil
}

// Err tells why Done is closed.
func (p *presence) Err() error {
	if p.done == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Value has none.
func (*presence) Value(any) any { return nil }
