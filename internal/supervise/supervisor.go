package supervise

import (
	"context"
	"io"
	"log/slog"
)

// Options of a Supervisor. All may be zero. Callbacks come from one goroutine, one at a time, in the order in which
// things happened, and never under a lock: they may call the Supervisor. A callback that does not return holds up the
// others and, by way of OnEndpoints, planned stops.
type Options struct {
	// Logger hears of every change of state; default: none.
	Logger *slog.Logger

	// Output gets what replicas write, each line as "service/replica | line". Lines over 16 KiB are broken. One Write is
	// one line, never two at a time. A Write that blocks holds up the replicas. Default: discarded.
	Output io.Writer
	// OutputStream adds the stream to the prefix: "service/replica stderr | line".
	OutputStream bool

	// OnEndpoints is called with all ready replicas of a service, by ID, whenever they change. Changes that happen
	// faster than it returns are told together. It is told the empty set before a service's last replica is stopped.
	OnEndpoints func(service string, ready []Endpoint)

	// Drain is called in a planned stop (scale down, rolling update, removal, shutdown) of a replica that was ready,
	// after OnEndpoints returned without it and before PreStop and SIGTERM. It should return when nothing of the address
	// is in use any more. ctx ends after half of Config.Grace. Calls for different replicas run at the same time.
	Drain func(ctx context.Context, service, addr string)

	// OnEvent is called for every event.
	OnEvent func(Event)

	// KeeperCommand starts RunKeeper in a process of its own; default: this executable with the argument "keeper".
	KeeperCommand []string
	// NoKeeper runs without a keeper: when Afloat is killed, main processes still end by their parent-death signal, but
	// not what they started.
	NoKeeper bool
}

// Supervisor runs the replicas of services. Create it with New.
type Supervisor struct {
	opts Options
}

// New returns a Supervisor without services. Nothing runs before Serve.
func New(opts Options) *Supervisor {
	return &Supervisor{opts: opts}
}

// Apply makes configs the desired state: services in it are started, scaled or rolled, others are stopped. It returns
// at once; Status and events tell how it goes. When any config is not valid, or two have one name, nothing is changed
// and all problems come joined. It may be called before Serve and at any time during it.
func (s *Supervisor) Apply(configs []Config) error { return nil }

// Serve runs the services until ctx ends, then stops all replicas at the same time, each within its grace, and
// returns nil. It returns an error when supervision itself cannot be set up. It may be called once.
func (s *Supervisor) Serve(ctx context.Context) error { <-ctx.Done(); return nil }

// Status is how all services stand, by name.
func (s *Supervisor) Status() []ServiceStatus { return nil }
