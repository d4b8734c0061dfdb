package policy

// Trip opens the breaker as too many failures would, for a reason that was
// found elsewhere, such as a comparison with other callees. It does nothing to
// one that is open or forced.
func (b *Breaker) Trip(why string) {
	defer b.events.flush()
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.era.Load()
	if e.forced || e.state == BreakerOpen {
		return
	}
	b.openGuarded(now(), why)
}

// Close closes the breaker as good probes would, for a reason that was found
// elsewhere, such as a health check that passed. It does nothing to one that is
// closed or forced.
func (b *Breaker) Close(why string) {
	defer b.events.flush()
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.era.Load()
	if e.forced || e.state == BreakerClosed || e.state == BreakerRampingUp {
		return
	}
	b.closeGuarded(now(), why)
}
