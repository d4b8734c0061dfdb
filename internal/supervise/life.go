package supervise

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	termMin      = 2 * time.Second        // between SIGTERM and SIGKILL at least, as in Kubernetes
	leftoverPoll = 20 * time.Millisecond  // between looks at what a main process left behind in a planned stop
	sweepBound   = 10 * time.Second       // for killing what a main process left behind
	outputBound  = time.Second            // for what is still in the pipes when all writers should be gone
	capturedMax  = 512                    // bytes of a probe's output that are kept for its message
	captureBound = 100 * time.Millisecond // for output after a probe's main process ended
)

// life is one process of a replica, from its start until nothing of it is left. A replica has one after the other.
type life struct {
	runner  *runner
	config  Config
	env     environment
	ports   []Port
	prefix  string // of output, without the separator
	marker  string
	process *process // set before inStarted is sent

	probes    context.Context // ends with the probes
	endProbes context.CancelFunc
	alive     context.Context // ends with the main process
	die       context.CancelFunc
	gone      chan struct{} // closed when nothing is left
	killed    chan struct{} // closed when the grace is over

	mu         sync.Mutex
	terminated bool           // SIGTERM was sent
	known      map[int]uint64 // descendants at that time
}

// runner is what all lives share.
type runner struct {
	spawner *spawner
	census  *census
	keeper  *keeper // nil without
	output  *output
	streams bool // name the stream in the prefix
	logger  *slog.Logger
	drain   func(context.Context, string, string)
	done    <-chan struct{} // closed when the supervisor ends
	readers sync.WaitGroup  // of output
}

func newLife(r *runner, c Config, id int, marker string, ports []int) *life {
	l := &life{
		runner: r, config: c, marker: marker, ports: addresses(c.Ports, ports),
		env:    newEnvironment(inherited(), c.Env, marker, c.Ports, ports),
		prefix: fmt.Sprintf("%s/%d", c.Name, id),
		gone:   make(chan struct{}), killed: make(chan struct{}),
	}
	l.alive, l.die = context.WithCancel(context.Background())
	l.probes, l.endProbes = context.WithCancel(l.alive)
	return l
}

// run starts the process and tells of its way to the end through send.
func (l *life) run(send func(input)) {
	defer close(l.gone)
	defer l.die()
	readers, err := l.start()
	if err != nil {
		send(input{kind: inStartFailed, why: err.Error()})
		return
	}
	p := l.process
	send(input{kind: inStarted, pid: p.pid})
	if l.runner.keeper != nil {
		l.runner.keeper.add(p.pid)
		defer l.runner.keeper.remove(p.pid)
	}
	end := p.await()
	l.die()
	send(input{kind: inExited, why: end.String(), ok: end.ok()})
	l.cleanUp()
	p.reap()
	deadline := time.Now().Add(outputBound)
	for _, r := range readers {
		_ = r.SetReadDeadline(deadline)
	}
	send(input{kind: inGone, why: end.String(), ok: end.ok()})
}

// start runs the command with its output piped; the reading ends are returned.
func (l *life) start() ([]*os.File, error) {
	streams := []string{""}
	if l.runner.streams {
		streams = []string{" stdout", " stderr"}
	}
	files := []*os.File{nil}
	var readers []*os.File
	for range streams {
		read, write, err := os.Pipe()
		if err != nil {
			closeAll(readers)
			closeAll(files[1:])
			return nil, fmt.Errorf("pipe for the output: %w", err)
		}
		readers, files = append(readers, read), append(files, write)
	}
	writers := files[1:]
	if len(writers) == 1 {
		files = append(files, writers[0])
	}
	p, err := l.spawn(l.config.Command, files)
	closeAll(writers)
	if err != nil {
		closeAll(readers)
		return nil, err
	}
	l.process = p
	for i, r := range readers {
		l.runner.readers.Go(func() {
			defer r.Close()
			l.runner.output.copyFrom(r, l.prefix+streams[i]+" | ")
		})
	}
	return readers, nil
}

// spawn starts argv in the replica's environment. A nil file is the null device.
func (l *life) spawn(argv []string, files []*os.File) (*process, error) {
	if err := checkDir(l.config.Dir); err != nil {
		return nil, err
	}
	argv = l.env.expand(argv)
	path, err := lookPath(argv[0], l.config.Dir, l.env["PATH"])
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	attr := &os.ProcAttr{Dir: l.config.Dir, Env: l.env.list()}
	for _, f := range files {
		if f == nil {
			f = null
		}
		attr.Files = append(attr.Files, f)
	}
	p, err := l.runner.spawner.start(l.runner.done, path, argv, attr)
	if err != nil {
		return nil, startError(argv[0], err)
	}
	return p, nil
}

// exec runs argv beside the process, and kills it when ctx ends. Its error has the beginning of its output.
func (l *life) exec(ctx context.Context, argv []string) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	p, err := l.spawn(argv, []*os.File{nil, write, write})
	write.Close()
	if err != nil {
		read.Close()
		return err
	}
	captured := make(chan string, 1)
	go func() {
		defer read.Close()
		var kept bytes.Buffer
		_, _ = io.CopyN(&kept, read, capturedMax)
		_, _ = io.Copy(io.Discard, read)
		line, _, _ := strings.Cut(strings.TrimSpace(kept.String()), "\n")
		captured <- line
	}()
	stopKill := context.AfterFunc(ctx, func() { p.signal(syscall.SIGKILL) })
	end := p.await()
	timedOut := !stopKill()
	p.signal(syscall.SIGKILL)
	p.reap()
	_ = read.SetReadDeadline(time.Now().Add(captureBound))
	said := <-captured
	switch {
	case timedOut:
		return fmt.Errorf("%s: %w", argv[0], errNoAnswer)
	case end.ok():
		return nil
	case said != "":
		return fmt.Errorf("%s: %v: %s", argv[0], end, said)
	}
	return fmt.Errorf("%s: %v", argv[0], end)
}

// stop ends the process within grace: Drain once told is closed (nil for no draining), PreStop, SIGTERM, SIGKILL.
func (l *life) stop(grace time.Duration, told <-chan struct{}, send func(input)) {
	began := time.Now()
	ctx, cancel := context.WithDeadline(l.alive, began.Add(grace))
	defer cancel()
	if told != nil && l.runner.drain != nil {
		l.drain(ctx, began.Add(grace/2), told)
	}
	if l.config.PreStop != nil && ctx.Err() == nil {
		if err := l.exec(ctx, l.config.PreStop.Command); err != nil && l.alive.Err() == nil {
			l.runner.logger.Warn("preStop failed", "replica", l.prefix, "error", err)
		}
	}
	l.terminate()
	timer := time.NewTimer(max(grace-time.Since(began), min(termMin, grace)))
	defer timer.Stop()
	select {
	case <-l.gone:
	case <-timer.C:
		send(input{kind: inKilled, why: fmt.Sprintf("did not end within %v", grace)})
		close(l.killed)
		l.process.signal(syscall.SIGKILL)
	}
}

func (l *life) drain(ctx context.Context, until time.Time, told <-chan struct{}) {
	select {
	case <-told:
	case <-ctx.Done():
		return
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	l.runner.drain(ctx, l.config.Name, l.ports[0].Addr)
}

// terminate sends SIGTERM to the process group and to what left it. A stopped process gets SIGCONT, so that it hears.
func (l *life) terminate() {
	members, err := l.members()
	if err != nil {
		l.runner.logger.Warn("cannot read the process table", "error", err)
	}
	l.mu.Lock()
	l.terminated, l.known = true, map[int]uint64{}
	for _, m := range members {
		l.known[m.pid] = m.start
	}
	l.mu.Unlock()
	l.process.signal(syscall.SIGTERM)
	for _, m := range members {
		if m.group != l.process.pid {
			m.signal(syscall.SIGTERM)
		}
	}
	l.process.signal(syscall.SIGCONT)
}

// cleanUp ends what the main process left behind. In a planned stop that has the rest of the grace to end by itself: a
// shell that dies of SIGTERM must not take the server with it that is still draining.
func (l *life) cleanUp() {
	l.mu.Lock()
	wait := l.terminated
	l.mu.Unlock()
	for wait {
		members, err := l.members()
		if err != nil || len(members) == 0 {
			break
		}
		select {
		case <-l.killed:
			wait = false
		case <-time.After(leftoverPoll):
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), sweepBound)
	defer cancel()
	l.process.signal(syscall.SIGKILL)
	left, err := l.family().sweep(ctx, l.runner.census.look)
	if err != nil {
		l.runner.logger.Error("processes are left", "replica", l.prefix, "count", len(left), "error", err)
	}
}

func (l *life) members() ([]proc, error) {
	table, err := l.runner.census.look()
	return l.family().members(table), err
}

func (l *life) family() family {
	l.mu.Lock()
	defer l.mu.Unlock()
	return family{
		marker: l.marker, leaders: map[int]bool{l.process.pid: true}, known: l.known,
		except: func(pid int) bool { return pid != l.process.pid && l.runner.spawner.started(pid) },
	}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
