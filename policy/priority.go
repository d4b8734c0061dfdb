package policy

import "context"

// Priority is how much a call matters where not all can be served. Without one
// a call is of [PriorityNormal].
type Priority string

const (
	// PriorityCritical is for what a user waits for and would miss at once.
	PriorityCritical Priority = "critical"
	// PriorityNormal is for what a user waits for. It is the default.
	PriorityNormal Priority = "normal"
	// PriorityLow is for what a user can do without for a while.
	PriorityLow Priority = "low"
	// PrioritySheddable is for what nobody waits for, such as prefetching and
	// batches: it gets what the others leave.
	PrioritySheddable Priority = "sheddable"
)

// Enum lists what a configuration file may say.
func (Priority) Enum() []string { return []string{"critical", "normal", "low", "sheddable"} }

// ranks is how many priorities there are.
const ranks = 4

// rank is the priority's place, 0 for the highest. An unknown one, as a header
// may hold, is normal.
func (p Priority) rank() int {
	switch p {
	case PriorityCritical:
		return 0
	case PriorityLow:
		return 2
	case PrioritySheddable:
		return 3
	}
	return 1
}

// WithPriority returns a context whose calls have the given priority.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityOfCall{}, p)
}

// PriorityOf returns the priority that [WithPriority] gave the context.
func PriorityOf(ctx context.Context) Priority {
	if p, ok := ctx.Value(priorityOfCall{}).(Priority); ok {
		return p
	}
	return PriorityNormal
}

// WithReceivedPriority returns the context of a call that came in with a
// priority of its caller's choice. Unless the caller is trusted, it can only
// lower what the context has: anybody may stand back for others, and nobody
// may push ahead of them. An unknown priority counts as none.
func WithReceivedPriority(ctx context.Context, p Priority, trusted bool) context.Context {
	has := PriorityOf(ctx)
	if p = has.Received(p, trusted); p == has {
		return ctx
	}
	return WithPriority(ctx, p)
}

// Received is what becomes of p, which a call has here, where its caller claims
// another: see [WithReceivedPriority].
func (p Priority) Received(claimed Priority, trusted bool) Priority {
	if claimed != PriorityNormal && claimed.rank() == PriorityNormal.rank() {
		return p // nobody knows it
	}
	if !trusted && claimed.rank() <= p.rank() {
		return p
	}
	return claimed
}

type priorityOfCall struct{}
