package supervise

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/afloat-dev/afloat/internal/handover"
)

// ErrClosed is returned by Apply when the Supervisor is ending or has ended.
var ErrClosed = errors.New("the supervisor is closed")

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

	// Store holds what another Afloat needs to take over the replicas; default: one of its own.
	Store *handover.Store
	// Dir is a folder that this Afloat alone uses, for what the next must know; default: none, and then nothing is held
	// when Afloat dies.
	Dir string
	// Adopt is how long the replicas run on when Afloat is killed, for an Afloat with the same Dir to take them over;
	// default 0: they are killed at once.
	Adopt time.Duration

	// Limits says what becomes of a limit that this machine cannot keep; default LimitsWarn.
	Limits LimitMode

	// KeeperCommand starts RunKeeper in a process of its own; default: this executable with the argument "keeper".
	KeeperCommand []string
	// NoKeeper runs without a keeper: when Afloat is killed, main processes still end by their parent-death signal, but
	// not what they started.
	NoKeeper bool
}

// Supervisor runs the replicas of services. Create it with New.
type Supervisor struct {
	opts     Options
	runner   runner
	instance string // in the marker of every process
	notifier *notifier
	ports    *portPool
	inbox    chan message
	changed  chan struct{} // the desired state
	yields   chan yielding
	serving  chan struct{} // closed when all is under way
	done     chan struct{} // closed when the loop has ended

	mu       sync.Mutex
	services map[string]*service
	adopted  []*replica // by Inherit, before Serve
	elder    bool       // the Afloat from which they are still runs
	served   bool
	closing  bool
	yielded  bool
}

const inboxMax = 256 // inputs that wait for the loop; their senders wait then

// New returns a Supervisor without services. Nothing runs before Serve.
func New(opts Options) *Supervisor {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Output == nil {
		opts.Output = io.Discard
	}
	if opts.Store == nil {
		opts.Store = handover.NewStore()
	}
	s := &Supervisor{
		opts: opts, instance: rand.Text(), notifier: newNotifier(opts), ports: newPortPool(),
		inbox: make(chan message, inboxMax), changed: make(chan struct{}, 1), done: make(chan struct{}),
		yields: make(chan yielding), serving: make(chan struct{}),
		services: map[string]*service{},
	}
	spawner := newSpawner()
	spawner.dieWithUs = opts.NoKeeper
	s.runner = runner{
		spawner: spawner, census: &census{}, output: &output{to: opts.Output, logs: logFiles{logger: opts.Logger, files: map[string]*sharedLog{}}}, streams: opts.OutputStream,
		logger: opts.Logger, limits: opts.Limits, drain: opts.Drain, done: s.done,
	}
	s.runner.groups = sync.OnceValue(func() *groups { return openGroups(s.instance) })
	return s
}

// Apply makes configs the desired state: services in it are started, scaled or rolled, others are stopped. It returns
// at once; Status and events tell how it goes. When any config is not valid, or two have one name, nothing is changed
// and all problems come joined. It may be called before Serve and at any time during it; once Serve is ending, it
// returns ErrClosed.
func (s *Supervisor) Apply(configs []Config) error {
	wanted := map[string]Config{}
	var problems []error
	for _, c := range configs {
		if err := c.Validate(); err != nil {
			problems = append(problems, fmt.Errorf("service %q: %w", c.Name, err))
		} else if _, ok := wanted[c.Name]; ok {
			problems = append(problems, fmt.Errorf("service %q: there are two of this name", c.Name))
		}
		wanted[c.Name] = c.WithDefaults()
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return ErrClosed
	}
	s.want(wanted, time.Now())
	s.wake()
	return nil
}

// Serve runs the services until ctx ends, then stops all replicas at the same time, each within its grace, and
// returns nil. It returns an error when supervision itself cannot be set up. It may be called once; while it runs, this
// program adopts the orphans among its descendants.
func (s *Supervisor) Serve(ctx context.Context) error {
	if os.Getenv(keeperMark) != "" {
		return errors.New("this is the keeper's process: it must call RunKeeper instead")
	}
	s.mu.Lock()
	if s.served {
		s.mu.Unlock()
		return errors.New("Serve was called before")
	}
	s.served = true
	s.mu.Unlock()
	if err := adopt(); err != nil {
		return err
	}
	s.endStrays()
	if err := s.opts.Store.Put(instanceKey, s.instance); err != nil {
		return err
	}
	release, err := s.startKeeper()
	if err != nil {
		return err
	}
	var background sync.WaitGroup
	quiet, hush := context.WithCancel(context.Background())
	background.Go(func() { s.runner.spawner.serve(s.done) })
	background.Go(func() { s.runner.spawner.serveRestricted(s.done) })
	background.Go(func() { reapOrphans(quiet, s.runner.spawner.started) })
	background.Go(func() { s.notifier.serve(quiet) })

	s.mu.Lock()
	s.resume()
	s.mu.Unlock()
	close(s.serving)
	s.loop(ctx)
	if !s.yielded {
		removeGroups(s.instance)
	}
	s.awaitOutput()
	close(s.done)
	release()
	hush()
	background.Wait()
	return nil
}

// Serving is closed when Serve has done all that can fail, and has what Inherit took over in its hands.
func (s *Supervisor) Serving() <-chan struct{} { return s.serving }

// Status is how all services stand, by name. A removed service is in it until its last replica is gone.
func (s *Supervisor) Status() []ServiceStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]ServiceStatus, 0, len(s.services))
	for _, name := range slices.Sorted(maps.Keys(s.services)) {
		out = append(out, s.services[name].status())
	}
	return out
}

// wake lets the loop look at the desired state.
func (s *Supervisor) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// want takes over a validated desired state. The mutex is held.
func (s *Supervisor) want(wanted map[string]Config, now time.Time) {
	for name, svc := range s.services {
		if _, ok := wanted[name]; !ok {
			svc.removed = "service removed"
		}
	}
	for name, c := range wanted {
		svc := s.services[name]
		if svc == nil {
			s.services[name] = newService(c, now)
			continue
		}
		before := svc.revision
		if svc.update(c, now) && len(svc.replicas) > 0 {
			s.tell(svc, now, EventRollout, "from revision "+before)
		}
	}
}

// awaitOutput gives the last lines of the replicas a moment to be written.
func (s *Supervisor) awaitOutput() {
	written := make(chan struct{})
	go func() {
		s.runner.readers.Wait()
		close(written)
	}()
	select {
	case <-written:
	case <-time.After(2 * outputBound):
	}
}
