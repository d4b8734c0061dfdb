package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	ossignal "os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/afloat-dev/afloat/internal/config"
	"github.com/afloat-dev/afloat/internal/console"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal"
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
	metrics    *signal.Metrics
	window     *signal.Window
	events     *signal.EventLog
	access     *signal.AccessLog
	files      []io.Closer
	admin      net.Listener
	hangup     chan os.Signal
	token      string

	started time.Time
	first   *config.Assembly // the one at the start: parts of it stay in force

	mu       sync.Mutex // guards what follows
	assembly *config.Assembly
	config   console.ConfigStatus
}

// newDaemon opens all that can fail: logs, ports. Nothing serves yet.
func newDaemon(from *sources, a *config.Assembly, s *streams, live bool) (*daemon, error) {
	d := &daemon{from: from, streams: s, first: a, assembly: a, live: live, started: time.Now(), hangup: make(chan os.Signal, 1)}
	ossignal.Notify(d.hangup, syscall.SIGHUP) // from now on it does not end the process
	output := s.err
	if live {
		output = io.Discard // the view shows the events; lines would tear it
	}
	d.log = newLogger(a.Log, output)
	if err := d.openAccessLog(); err != nil {
		return nil, err
	}
	if err := d.openAdmin(); err != nil {
		return nil, err
	}
	if err := d.observe(); err != nil {
		return nil, err
	}
	d.supervisor = supervise.New(supervise.Options{
		Logger:      d.log,
		Output:      output,
		OnEndpoints: d.endpointsChanged,
		Drain:       d.gateway.Drain,
		OnEvent:     d.events.Supervised,
	})
	if err := d.supervisor.Apply(a.Processes); err != nil {
		return nil, err
	}
	if err := d.gateway.Apply(&a.Gateway); err != nil {
		return nil, err
	}
	d.config = console.ConfigStatus{Files: a.Files, AppliedAt: time.Now()}
	return d, nil
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
		Replicas: func() []supervise.ServiceStatus { return d.supervisor.Status() },
	})
	d.window = signal.NewWindow(status)
	d.events = signal.NewEventLog(d.log)
	observers := []gateway.Observer{d.metrics, d.window, d.events}
	if d.access != nil {
		observers = append(observers, d.access)
		if err := d.metrics.Register(d.access); err != nil {
			return err
		}
	}
	d.gateway = gateway.New(gateway.Options{Log: d.log, Observer: signal.Tee(observers...)})
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
		f, err := os.OpenFile(c.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
		if err != nil {
			return fmt.Errorf("open the access log: %w", err)
		}
		d.files = append(d.files, f)
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
	l, err := net.Listen("tcp", string(c.Address))
	if err != nil {
		return fmt.Errorf("admin.address: %w; off switches it off", gateway.ListenError(string(c.Address), err))
	}
	d.admin, d.token = l, string(c.Token)
	return nil
}

// endpointsChanged passes on which of a service's replicas are ready.
func (d *daemon) endpointsChanged(service string, ready []supervise.Endpoint) {
	addresses := make([]string, len(ready))
	for i, e := range ready {
		addresses[i] = e.Addr
	}
	d.gateway.SetEndpoints(service, addresses)
}

// serve runs everything until ctx ends, and takes it down in order: first the
// gateway, so that no request is lost, then the processes behind it.
func (d *daemon) serve(ctx context.Context) error {
	defer d.close()
	supervising, stopSupervisor := context.WithCancel(context.WithoutCancel(ctx))
	observing, stopObserving := context.WithCancel(context.WithoutCancel(ctx))
	defer stopObserving()

	var group errgroup.Group
	group.Go(func() error {
		defer stopSupervisor()
		return d.gateway.Serve(ctx)
	})
	group.Go(func() error {
		defer stopObserving()
		return d.supervisor.Serve(supervising)
	})
	group.Go(func() error { return d.window.Serve(observing) })
	group.Go(func() error { return d.serveAdmin(observing) })
	group.Go(func() error { return d.watch(ctx) })
	if d.live {
		terminal := signal.NewTerminal(signal.TerminalConfig{Out: d.streams.out, View: d.view().View})
		group.Go(func() error { return terminal.Serve(observing) })
	}
	d.announce()
	return group.Wait()
}

// announce says where it listens, on the first line that a user sees.
func (d *daemon) announce() {
	for _, address := range d.gateway.Addresses() {
		d.log.Info("serving", "address", address)
	}
	if d.admin != nil {
		d.log.Info("admin API", "address", d.admin.Addr().String())
	}
}

func (d *daemon) serveAdmin(ctx context.Context) error {
	if d.admin == nil {
		return nil
	}
	server := console.NewServer(console.Options{Status: d.status, View: d.view().View, Metrics: d.metrics.Handler(), Token: d.token})
	stop := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Shutdown(end) // what is left is cut: it only reads
	})
	defer stop()
	if err := server.Serve(d.admin); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("admin: %w", err)
	}
	return nil
}

func (d *daemon) status() console.Status {
	d.mu.Lock()
	c := d.config
	d.mu.Unlock()
	return console.Status{
		Version:       readBuild().Version,
		PID:           os.Getpid(),
		StartedAt:     d.started,
		UptimeSeconds: time.Since(d.started).Seconds(),
		Config:        c,
		Signals:       d.window.Snapshot(10 * time.Second),
		Gateway:       d.gateway.Status(),
		Processes:     d.supervisor.Status(),
		Events:        d.events.Recent(20),
	}
}

// view is what the live view shows, here or in `afloat status --watch`.
func (d *daemon) view() signal.Source {
	return signal.Source{
		Name:     strings.Join(d.first.Files, ", "),
		Started:  d.started,
		Status:   d.gateway.Status,
		Replicas: d.supervisor.Status,
		Window:   d.window,
		Events:   d.events,
	}
}

func (d *daemon) close() {
	if d.access != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := d.access.Close(ctx); err != nil {
			d.log.Error("the access log is not complete", "error", err)
		}
	}
	for _, f := range d.files {
		_ = f.Close() // all has been written
	}
}
