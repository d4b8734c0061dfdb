package policy

import "context"

// Caller is who makes a call that may have to wait.
type Caller struct {
	// Priority is how much the call matters. Default [PriorityNormal].
	Priority Priority
	// Key is on whose behalf it is. Those of one priority for whom calls wait
	// take turns. Calls without a key wait as those of one user.
	Key string
}

// callerOf is who makes a call of the context.
func (a *Adaptive) callerOf(ctx context.Context) Caller {
	return Caller{PriorityOf(ctx), a.config.Load().Key(ctx)}
}
