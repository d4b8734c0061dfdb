package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	ossignal "os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"github.com/afloat-dev/afloat/internal/acme"
	"github.com/afloat-dev/afloat/internal/alert"
	"github.com/afloat-dev/afloat/internal/config"
	"github.com/afloat-dev/afloat/internal/console"
	"github.com/afloat-dev/afloat/internal/control/rollout"
	"github.com/afloat-dev/afloat/internal/control/scale"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/handover"
	"github.com/afloat-dev/afloat/internal/journal"
	"github.com/afloat-dev/afloat/internal/logfile"
	"github.com/afloat-dev/afloat/internal/signal"
	"github.com/afloat-dev/afloat/internal/signal/trace"
	"github.com/afloat-dev/afloat/internal/signal/tsdb"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// daemon is what `afloat run` runs: the gateway, the supervisor, the signals
// and the API, wired together.
type daemon struct {
	from    *sources
	streams *streams
	log     *slog.Logger
	live    bool

	gateway    *gateway.Gateway
	supervisor *supervise.Supervisor
	releases   *rollout.Controller
	scaling    *scale.Loop
	metrics    *signal.Metrics
	store      *tsdb.Store // nil where metrics are not kept
	window     *signal.Window
	events     *signal.EventLog
	access     *signal.AccessLog
	tracer     *trace.Tracer
	accessFile *logfile.File // nil where it is standard output
	data       *dataFolder
	journal    *journal.Journal
	alerts     *alert.Manager // nil in most sidecars
	lately     lately
	admin      *net.TCPListener
	hangup     chan os.Signal
	allowed    console.Access
	renewer    *renewer
	issuer     *acme.Issuer

	in        *handover.Inheritance // from an earlier Afloat; nil for none
	elder     bool                  // which still runs
	parent    int                   // who started this process: the elder, if any
	sockets   *sockets
	stop      context.CancelFunc // ends serve
	rest      context.CancelFunc // ends what works in the data folder
	upgrading sync.Mutex
	// upgradable is whether the program's file, started anew, would be this
	// daemon again.
	upgradable bool

	started time.Time
	first   *config.Assembly // the one at the start: parts of it stay in force

	mu       sync.Mutex // guards what follows
	assembly *config.Assembly
	config   console.ConfigStatus
}

// newDaemon opens all that can fail: logs, ports. Nothing serves yet.
func newDaemon(from *sources, a *config.Assembly, s *streams, live bool, in *handover.Inheritance) (*daemon, error) {
	d := &daemon{from: from, streams: s, first: a, assembly: a, live: live, in: in, elder: in != nil, parent: os.Getppid(), started: time.Now(), hangup: make(chan os.Signal, 1)}
	ossignal.Notify(d.hangup, syscall.SIGHUP) // from now on it does not end the process
	output := s.err
	if live {
		output = io.Discard // the view shows the events; lines would tear it
	}
	d.log = newLogger(a.Log, output)
	if err := d.open(output); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *daemon) open(output io.Writer) error {
	a := d.assembly
	d.renewer = newRenewer(d.log)
	d.renewer.renew(a.Gateway.Renewals()) // Afloat may have been off while they expired
	for _, open := range []func() error{
		d.openData,
		d.claim,
		d.openSockets,
		d.openJournal,
		d.openAccessLog,
		d.openTracer,
		d.openAdmin,
		d.openReleases,
		d.observe,
		d.openStore,
		d.openAlerts,
	} {
		if err := open(); err != nil {
			return err
		}
	}
	options := supervise.Options{
		Logger:      d.log,
		Output:      output,
		OnEndpoints: d.releases.EndpointsChanged,
		Drain:       d.releases.Drain,
		OnEvent:     d.supervised,
		Store:       d.sockets.store,
		Adopt:       a.Supervisor.Adopt,
		Limits:      a.Supervisor.Limits,
	}
	if !d.data.passing {
		options.Dir = d.data.path
	}
	d.supervisor = supervise.New(options)
	if err := d.releases.Apply(a.Processes, a.Releases); err != nil {
		return err
	}
	d.scaling = d.newScaling()
	if err := d.inherit(); err != nil {
		return err
	}
	if err := d.gateway.Apply(&a.Gateway); err != nil {
		return err
	}
	if err := d.applyAlerts(a.Alerts); err != nil {
		return err
	}
	d.config = console.ConfigStatus{Files: a.Files, AppliedAt: time.Now(), Warnings: a.Warnings}
	return nil
}

func newLogger(c config.LogConfig, out io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // validated; empty is info
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(out, options))
	}
	return slog.New(slog.NewTextHandler(out, options))
}

// observe makes the gateway and all that listens to it.
func (d *daemon) observe() error {
	b := readBuild()
	status := func() gateway.Status { return d.gateway.Status() }
	d.metrics = signal.NewMetrics(signal.MetricsConfig{
		Version: b.Version, Revision: b.Revision, Status: status,
		Replicas: d.releases.Sets,
		Refused:  d.refused,
		Traced:   d.traced(),
	})
	d.window = signal.NewWindow(status)
	d.events = signal.NewEventLog(d.log)
	observers := []gateway.Observer{d.metrics, d.window, recorder{d.events, d.journal}, d.releases.Observer()}
	if d.access != nil {
		observers = append(observers, d.access)
		if err := d.metrics.Register(d.access); err != nil {
			return err
		}
	}
	if d.tracer != nil {
		observers = append(observers, d.tracer)
		if err := d.metrics.Register(d.tracer); err != nil {
			return err
		}
	}
	d.issuer = acme.New(acme.Options{Wanted: d.issuances, Log: d.log})
	d.gateway = gateway.New(gateway.Options{Log: d.log, Observer: signal.Tee(observers...), Challenges: d.issuer, Traces: d.traceShare(), Sockets: d.sockets})
	return nil
}

func (d *daemon) openAccessLog() error {
	c := d.assembly.AccessLog
	var out io.Writer
	switch c.Path {
	case "":
		return nil
	case "-":
		out = d.streams.out
	default:
		f := logfile.New(logfile.Config{
			Path: c.Path, SizeMax: int64(c.SizeMax), FilesMax: c.FilesMax, AgeMax: c.AgeMax,
			Stuck: func(err error) { d.log.Warn("the access log cannot be replaced, and grows", "error", err) },
		})
		if err := f.Open(); err != nil {
			return fmt.Errorf("open the access log: %w", err)
		}
		d.accessFile = f
		out = f
	}
	d.access = signal.NewAccessLog(out, signal.AccessLogConfig{Sample: float64(c.Sample), Logger: d.log})
	return nil
}

// openAdmin listens for the API. An address that anyone may reach needs a
// token: the configuration has been checked for that.
func (d *daemon) openAdmin() error {
	c := d.assembly.Admin
	if c.Off() {
		return nil
	}
	l, err := d.sockets.Listen("tcp", string(c.Address))
	if err != nil {
		return fmt.Errorf("admin.address: %w; off switches it off", gateway.ListenError(string(c.Address), err))
	}
	d.admin = l
	d.allowed = access(c)
	return nil
}

// serve runs everything until ctx ends or a part fails, and takes it down in
// order: first the gateway, so that no request is lost, then the processes
// behind it.
func (d *daemon) serve(ctx context.Context) error {
	defer d.close()
	ctx, d.stop = context.WithCancel(ctx)
	defer d.stop()
	group, ctx := errgroup.WithContext(ctx)
	supervising, stopSupervisor := context.WithCancel(context.WithoutCancel(ctx))
	observing, stopObserving := context.WithCancel(context.WithoutCancel(ctx))
	defer stopObserving()
	working, stopWorking := context.WithCancel(observing) // in the data folder
	defer stopWorking()
	d.rest = stopWorking

	group.Go(func() error {
		defer stopSupervisor()
		return d.gateway.Serve(ctx)
	})
	group.Go(func() error {
		defer stopObserving()
		err := d.supervisor.Serve(supervising)
		if err != nil { // it is returned once all has been drained
			d.log.Error("processes cannot be supervised", "error", err)
		}
		return err
	})
	group.Go(func() error { return d.releases.Serve(ctx) })
	group.Go(func() error { return d.window.Serve(observing) })
	group.Go(func() error { return d.journal.Serve(observing) })
	group.Go(func() error { return d.serveAlerts(working) })
	group.Go(func() error { return d.serveAdmin(observing) })
	group.Go(func() error { return d.serveStore(working) })
	group.Go(func() error { return d.serveScaling(ctx) })
	group.Go(func() error { return d.watch(ctx) })
	group.Go(func() error { return d.renew(ctx) })
	group.Go(func() error { return d.issuer.Serve(ctx) })
	if d.live {
		terminal := signal.NewTerminal(signal.TerminalConfig{Out: d.streams.out, View: d.view().View})
		group.Go(func() error { return terminal.Serve(observing) })
	}
	group.Go(func() error { d.settle(observing); return nil })
	d.announce()
	d.journalStart()
	return group.Wait()
}

// announce says where it listens, on the first line that a user sees.
func (d *daemon) announce() {
	for _, address := range d.gateway.Addresses() {
		d.log.Info("serving", "address", address)
	}
	if d.admin != nil {
		d.log.Info("console and admin API", "url", "http://"+d.admin.Addr().String()+"/")
	}
	notifySystemd("READY=1")
}

// adminConnectionsMax bounds the connections to the admin listener, which shares
// descriptors with the gateway's.
const adminConnectionsMax = 1024

func (d *daemon) serveAdmin(ctx context.Context) error {
	if d.admin == nil {
		return nil
	}
	server := console.NewServer(d.console())
	served := make(chan error, 1)
	go func() { served <- server.Serve(netutil.LimitListener(d.admin, adminConnectionsMax)) }()
	select {
	case err := <-served:
		if !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("admin: %w", err)
		}
		<-ctx.Done() // another Afloat listens by now
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = server.Shutdown(end) // what is left is cut: it only reads
	return nil
}

// console is what the API and the page show.
func (d *daemon) console() console.Options {
	options := console.Options{
		Status:    d.status,
		View:      d.view().View,
		Histories: d.window.Histories,
		Metrics:   d.metrics.Handler(),
		Faults:    faults{d.gateway},
		Levers:    thrifty{d.gateway, d.releases},
		Replicas:  d.releases,
		Journal:   d.journal,
		Releases:  releases{d.releases},
		Alerts:    d.alerting(),
		Mounts:    d.mounts(),
		Access:    d.allowed,
	}
	if d.upgradable {
		options.Upgrade = d.Upgrade
	}
	return options
}

// mounts are the APIs of others that are beside Afloat's own.
func (d *daemon) mounts() (all []console.Mount) {
	if api := d.prometheus(); api != nil {
		all = append(all, console.Mount{Prefix: "/prometheus/", Handler: api, Reads: true})
	}
	if d.alerts != nil {
		all = append(all, console.Mount{Prefix: alert.Prefix + "/", Handler: d.alerts.Handler()})
	}
	return all
}

func (d *daemon) status() console.Status {
	d.mu.Lock()
	c := d.config
	d.mu.Unlock()
	s := statusOf(d.started, d.gateway, d.releases.Sets(), d.window, d.events)
	s.Config, s.Scaling = c, d.scaling.Status()
	return s
}

// statusOf is what there is to say of any gateway with a supervisor.
func statusOf(started time.Time, g *gateway.Gateway, processes []supervise.ServiceStatus, w *signal.Window, events *signal.EventLog) console.Status {
	return console.Status{
		Version:       readBuild().Version,
		PID:           os.Getpid(),
		StartedAt:     started,
		UptimeSeconds: time.Since(started).Seconds(),
		Signals:       w.Snapshot(10 * time.Second),
		Gateway:       g.Status(),
		Processes:     processes,
		Events:        events.Recent(50),
	}
}

// view is what the live view shows, here or in `afloat status --watch`.
func (d *daemon) view() signal.Source {
	return signal.Source{
		Name:     strings.Join(d.first.Files, ", "),
		Started:  d.started,
		Status:   d.gateway.Status,
		Replicas: d.releases.Sets,
		Window:   d.window,
		Events:   d.events,
	}
}

func (d *daemon) close() {
	if d.access != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := d.access.Close(ctx); err != nil {
			// Its file stays open: whoever reads a pipe and stands still would be
			// waited for.
			d.log.Error("the access log is not complete", "error", err)
		} else if d.accessFile != nil {
			_ = d.accessFile.Close() // all has been written
		}
	}
	d.closeTracer()
	d.closeJournal()
	if d.data != nil {
		d.data.close()
	}
}
