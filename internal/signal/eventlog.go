package signal

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// eventsKept bounds the events that an EventLog remembers.
const eventsKept = 200

// EventLog logs changes of state with their why, and remembers the last 200
// for people who look now. It is a [gateway.Observer]; the supervisor's events
// come in by Supervised.
type EventLog struct {
	log *slog.Logger

	mu   sync.Mutex // guards what follows
	kept []Event
}

// Event is a change of state in words.
type Event struct {
	Time  time.Time `json:"time"`
	Level Level     `json:"level"`
	// What changed, such as "endpoint down".
	What string `json:"what"`
	// Who it happened to, such as "cart 127.0.0.1:9001"; may be empty.
	Who string `json:"who,omitempty"`
	// Why in words; may be empty.
	Why string `json:"why,omitempty"`
}

// Level is how an event is meant.
type Level string

// The levels.
const (
	LevelGood Level = "good" // something works again, or went well
	LevelNote Level = "note" // something changed
	LevelBad  Level = "bad"  // something fails
)

// NewEventLog returns an EventLog that writes to log; nil only remembers.
func NewEventLog(log *slog.Logger) *EventLog {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &EventLog{log: log}
}

// Route returns what ignores requests.
func (l *EventLog) Route(string, string) gateway.RequestObserver { return ignoredRequests{} }

// Endpoint returns what ignores tries.
func (l *EventLog) Endpoint(string, string) gateway.TryObserver { return ignoredTries{} }

// Event takes a change of the gateway's state.
func (l *EventLog) Event(e gateway.Event) {
	level := gatewayLevel(e)
	attrs := attributes("event", string(e.Kind), "service", e.Service, "endpoint", e.Endpoint,
		"from", e.From, "to", e.To, "who", e.Who, "why", e.Why)
	l.log.Log(context.Background(), slogLevel(level), "gateway changed", attrs...)
	l.keep(Event{Time: e.Time, Level: level, What: gatewayWhat(e), Who: join(e.Service, e.Endpoint), Why: e.Why})
}

// gatewayWhat is in words what changed.
func gatewayWhat(e gateway.Event) string {
	switch {
	case e.Kind == gateway.EventBreaker && e.To != "":
		return "breaker " + e.To
	case e.Kind == gateway.EventFault:
		return join("fault", e.To)
	case e.Kind == gateway.EventLever:
		return join(e.From, e.To) // such as "drain", and then "drain undone"
	}
	return strings.ReplaceAll(string(e.Kind), "_", " ")
}

// Supervised takes a change of a supervised process or its service. It only
// remembers it: the supervisor logs for itself.
func (l *EventLog) Supervised(e supervise.Event) {
	level := superviseLevel(e)
	replica := ""
	if e.Replica != 0 {
		replica = "replica " + strconv.Itoa(e.Replica)
	}
	l.keep(Event{Time: e.Time, Level: level, What: string(e.Kind), Who: join(e.Service, replica), Why: e.Why})
}

// Recent returns the last events, at most n, oldest first.
func (l *EventLog) Recent(n int) []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := max(len(l.kept)-max(n, 0), 0)
	return append([]Event(nil), l.kept[from:]...)
}

func (l *EventLog) keep(e Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.kept) == eventsKept {
		l.kept = append(l.kept[:0], l.kept[1:]...)
	}
	l.kept = append(l.kept, e)
}

type ignoredRequests struct{}

func (ignoredRequests) Request(*gateway.Record) {}

func gatewayLevel(e gateway.Event) Level {
	switch e.Kind {
	case gateway.EventUp, gateway.EventApplied, gateway.EventListen, gateway.EventKeysLoaded:
		return LevelGood
	case gateway.EventDown, gateway.EventEjected, gateway.EventKeysRefused:
		return LevelBad
	case gateway.EventBreaker:
		switch e.To {
		case "open":
			return LevelBad
		case "closed":
			return LevelGood
		}
	}
	return LevelNote
}

func superviseLevel(e supervise.Event) Level {
	switch e.Kind {
	case supervise.EventReady, supervise.EventRolloutComplete, supervise.EventRolloutResumed:
		return LevelGood
	case supervise.EventUnready, supervise.EventExited, supervise.EventKilled, supervise.EventRolloutStalled:
		return LevelBad
	}
	return LevelNote
}

func slogLevel(l Level) slog.Level {
	if l == LevelBad {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// attributes leaves out the pairs whose value is empty.
func attributes(pairs ...string) []any {
	var attrs []any
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			attrs = append(attrs, pairs[i], pairs[i+1])
		}
	}
	return attrs
}

func join(a, b string) string { return strings.TrimSpace(a + " " + b) }
