package supervise

import "time"

// EventKind names what happened.
type EventKind string

// The kinds of events. Those of the first group are about one replica, the others about a service.
const (
	EventStarted   EventKind = "started"   // the first process of a replica runs
	EventRestarted EventKind = "restarted" // a further process of a replica runs
	EventAdopted   EventKind = "adopted"   // its process was taken over from an earlier Afloat
	EventReady     EventKind = "ready"     // it joined the endpoints
	EventUnready   EventKind = "unready"   // it left the endpoints while its process runs
	EventExited    EventKind = "exited"    // its process ended, or could not be started
	EventStopping  EventKind = "stopping"  // it was told to end
	EventKilled    EventKind = "killed"    // it did not end within its grace and got SIGKILL
	EventStopped   EventKind = "stopped"   // it ended for good

	EventScaled          EventKind = "scaled"           // more or fewer replicas are wanted than before
	EventRollout         EventKind = "rollout"          // a new revision begins to replace the old one
	EventRolloutComplete EventKind = "rollout complete" // all replicas are of the current revision and available
	EventRolloutStalled  EventKind = "rollout stalled"  // no progress within the deadline
	EventRolloutResumed  EventKind = "rollout resumed"  // progress after a stall
)

// Event is a change that an operator would want to know of.
type Event struct {
	Time     time.Time
	Kind     EventKind
	Service  string
	Replica  int    // ID, 0 for events of a service
	Revision string // of the replica, or of the service's Config
	PID      int    // of the main process, where there is one
	Asked    bool   // the replica was told to end: an exit is no crash
	Why      string // in words; may be empty
}
