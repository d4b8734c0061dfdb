package policy

import (
	"context"
	"time"
)

// HedgeCall is one call whose caller runs its tries itself, as a proxy does
// that streams: see [Hedge.Begin].
type HedgeCall struct {
	hedge   *Hedge
	began   time.Duration
	delay   time.Duration
	further bool
}

// Begin counts a call. Its caller starts one further try if there is no result
// after Delay and Again allows it, takes the first success, and then calls Done.
// Max beyond 1 is not kept to.
func (h *Hedge) Begin() HedgeCall {
	c := h.config.Load()
	h.budget.called(&c.Budget)
	if c.Max < 0 {
		return HedgeCall{}
	}
	return HedgeCall{hedge: h, began: now(), delay: h.delay(c)}
}

// Delay is after how long without a result to ask Again; ok is false where the
// call is not to be hedged.
func (c *HedgeCall) Delay() (delay time.Duration, ok bool) { return c.delay, c.hedge != nil }

// Again asks whether the further try may start now, and takes it from the
// budget.
func (c *HedgeCall) Again() bool {
	h := c.hedge
	if h == nil || c.further || !h.may(context.Background(), h.config.Load()) {
		return false
	}
	c.further = true
	h.started.happened(context.Background(), Event{Attempt: 2})
	return true
}

// Done says how the call ended, and whether it was the further try that ended
// it.
func (c *HedgeCall) Done(class Class, further bool) {
	h := c.hedge
	if h == nil {
		return
	}
	if further && class == Success {
		h.won.happened(context.Background(), Event{Attempt: 2})
	}
	config, took := h.config.Load(), now()-c.began
	if config.Quantile > 0 && (class == Success || took > c.delay) {
		h.took.add(took, float64(config.Quantile))
	}
}
