package supervise

import (
	"context"
	"log/slog"
	"slices"
	"sync"
)

// eventsMax is how many events may wait for the callbacks. Further ones are dropped and counted.
const eventsMax = 8192

// notifier calls the callbacks, in order and one at a time, so that the supervisor never waits for them.
type notifier struct {
	logger      *slog.Logger
	onEvent     func(Event)
	onEndpoints func(string, []Endpoint)

	mu      sync.Mutex
	queue   []*notice
	waiting map[string]*notice // endpoints that are in the queue, by service
	events  int                // in the queue
	dropped int
	wake    chan struct{}
}

// notice is one thing to tell.
type notice struct {
	event     *Event
	service   string
	endpoints []Endpoint
	told      chan struct{} // closed when all before it has been told
}

func newNotifier(opts Options) *notifier {
	return &notifier{
		logger: opts.Logger, onEvent: opts.OnEvent, onEndpoints: opts.OnEndpoints,
		waiting: map[string]*notice{}, wake: make(chan struct{}, 1),
	}
}

// event queues an event.
func (n *notifier) event(e Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.events >= eventsMax {
		n.dropped++
		return
	}
	n.events++
	n.push(&notice{event: &e})
}

// endpoints queues the ready replicas of a service. Where earlier ones are still waiting, these take their place.
func (n *notifier) endpoints(service string, ready []Endpoint) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if w := n.waiting[service]; w != nil {
		w.endpoints = ready
		return
	}
	w := &notice{service: service, endpoints: ready}
	n.waiting[service] = w
	n.push(w)
}

// told returns a channel that is closed when everything queued so far has been told.
func (n *notifier) told() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	done := make(chan struct{})
	n.push(&notice{told: done})
	return done
}

func (n *notifier) push(item *notice) {
	n.queue = append(n.queue, item)
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// serve tells until ctx ends, and then what is left.
func (n *notifier) serve(ctx context.Context) {
	for {
		for _, item := range n.take() {
			n.tell(item)
		}
		select {
		case <-n.wake:
		case <-ctx.Done():
			for _, item := range n.take() {
				n.tell(item)
			}
			return
		}
	}
}

// take empties the queue. Endpoints in it may still change until they are told.
func (n *notifier) take() []*notice {
	n.mu.Lock()
	defer n.mu.Unlock()
	taken := n.queue
	n.queue = nil
	return taken
}

func (n *notifier) tell(item *notice) {
	n.mu.Lock()
	if item.event != nil {
		n.events--
	}
	if n.waiting[item.service] == item {
		delete(n.waiting, item.service)
	}
	endpoints, dropped := slices.Clone(item.endpoints), n.dropped
	n.dropped = 0
	n.mu.Unlock()

	if dropped > 0 {
		n.logger.Warn("events dropped: the callbacks are too slow", "events", dropped)
	}
	switch {
	case item.told != nil:
		close(item.told)
	case item.event != nil:
		n.log(*item.event)
		if n.onEvent != nil {
			n.onEvent(*item.event)
		}
	case n.onEndpoints != nil:
		n.onEndpoints(item.service, endpoints)
	}
}

// log writes an event: as a warning when something failed.
func (n *notifier) log(e Event) {
	level := slog.LevelInfo
	switch e.Kind {
	case EventUnready, EventKilled, EventRolloutStalled:
		level = slog.LevelWarn
	case EventExited:
		if !e.Asked {
			level = slog.LevelWarn
		}
	}
	attrs := []slog.Attr{slog.String("service", e.Service)}
	if e.Replica != 0 {
		attrs = append(attrs, slog.Int("replica", e.Replica))
	}
	if e.PID != 0 {
		attrs = append(attrs, slog.Int("pid", e.PID))
	}
	attrs = append(attrs, slog.String("revision", e.Revision))
	if e.Why != "" {
		attrs = append(attrs, slog.String("why", e.Why))
	}
	n.logger.LogAttrs(context.Background(), level, string(e.Kind), attrs...)
}
