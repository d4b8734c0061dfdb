package supervise

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync"
	"sync/atomic"
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
	account account
	env     environment
	ports   []Port
	prefix  string // of output, without the separator
	marker  string
	process *process   // set before inStarted is sent
	readers []*os.File // of its output; as process
	streams bool       // output is told apart by stream
	left    atomic.Bool
	group   *group // nil where there are none

	output  sync.Mutex // guards paused and the closing of readers
	paused  bool
	copying sync.WaitGroup

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
	groups  func() *groups // made when the first process is started
	limits  LimitMode
	drain   func(context.Context, string, string)
	done    <-chan struct{} // closed when the supervisor ends
	readers sync.WaitGroup  // of output
}

func newLife(r *runner, c Config, id int, marker string, ports []int) *life {
	l := &life{
		runner: r, config: c, marker: marker, ports: addresses(c.Ports, ports),
		prefix: fmt.Sprintf("%s/%d", c.Name, id), streams: r.streams,
		gone: make(chan struct{}), killed: make(chan struct{}),
	}
	l.alive, l.die = context.WithCancel(context.Background())
	l.probes, l.endProbes = context.WithCancel(l.alive)
	return l
}

// prepare finds out as whom and with which variables the process runs.
func (l *life) prepare(ports []int) (err error) {
	if l.account, err = findAccount(l.config.User, l.config.Group); err != nil {
		return err
	}
	l.env, err = environmentOf(l.config, l.account, l.marker, ports)
	return err
}

// enclose makes the control group of the process. A limit that cannot be kept is refused or warned about.
func (l *life) enclose() error {
	all := l.runner.groups()
	_, name, _ := strings.Cut(l.marker, "/")
	g, err := all.make(strings.ReplaceAll(name, "/", "-"))
	if err == nil {
		err = g.limit(l.config, all)
	}
	limited := l.config.Limits != LimitsConfig{}
	switch {
	case err == nil:
	case limited && l.runner.limits == LimitsRequire:
		g.remove()
		return err
	case limited:
		l.runner.logger.Warn("limits are not kept", "replica", l.prefix, "error", err)
	}
	l.group = g
	return nil
}

// run starts the process and tells of its way to the end through send.
func (l *life) run(send func(input)) {
	if err := l.start(); err != nil {
		l.die()
		close(l.gone)
		send(input{kind: inStartFailed, why: err.Error()})
		return
	}
	send(input{kind: inStarted, pid: l.process.pid})
	l.follow(send)
}

// follow tells of a process that runs through send, to its end.
func (l *life) follow(send func(input)) {
	defer close(l.gone)
	defer l.die()
	p := l.process
	l.copyOutput()
	if l.runner.keeper != nil {
		l.runner.keeper.add(p.pid, l.group)
		defer l.runner.keeper.remove(p.pid)
	}
	end := p.await()
	if l.left.Load() {
		p.reap()
		return
	}
	l.die()
	why := end.String()
	if l.group.outOfMemory() {
		why += ": out of memory"
		if l.config.Limits.Memory > 0 {
			why += ", over the limit of " + l.config.Limits.Memory.String()
		}
	}
	send(input{kind: inExited, why: why, ok: end.ok()})
	l.cleanUp()
	p.reap()
	l.group.remove()
	deadline := time.Now().Add(outputBound)
	for _, r := range l.readers {
		_ = r.SetReadDeadline(deadline)
	}
	send(input{kind: inGone, why: why, ok: end.ok()})
}

// start runs the command with its output piped to readers.
func (l *life) start() error {
	pipes := 1
	if l.streams {
		pipes = 2
	}
	files := []*os.File{nil}
	var readers []*os.File
	for range pipes {
		read, write, err := os.Pipe()
		if err != nil {
			closeAll(readers)
			closeAll(files[1:])
			return fmt.Errorf("pipe for the output: %w", err)
		}
		readers, files = append(readers, read), append(files, write)
	}
	writers := files[1:]
	if len(writers) == 1 {
		files = append(files, writers[0])
	}
	err := l.enclose()
	var p *process
	if err == nil {
		p, err = l.spawn(l.config.Command, files)
	}
	closeAll(writers)
	if err != nil {
		closeAll(readers)
		l.group.remove()
		return err
	}
	l.process, l.readers = p, readers
	return nil
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
	attr := &os.ProcAttr{Dir: l.config.Dir, Env: l.env.list(), Sys: &syscall.SysProcAttr{Credential: l.account.credential}}
	for _, f := range files {
		if f == nil {
			f = null
		}
		attr.Files = append(attr.Files, f)
	}
	if l.group != nil {
		folder, err := l.group.open()
		if err != nil {
			return nil, fmt.Errorf("open the control group: %w", err)
		}
		defer folder.Close()
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(folder.Fd())
	}
	p, err := l.runner.spawner.start(l.runner.done, path, argv, attr, l.config.NoNewPrivileges)
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
		if err := l.preStop(ctx, l.config.PreStop); err != nil && l.alive.Err() == nil {
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

// preStop does what is to be done before SIGTERM.
func (l *life) preStop(ctx context.Context, c *PreStopConfig) error {
	switch {
	case c.HTTP != nil:
		return checkHTTP(ctx, c.HTTP, l.address(c.HTTP.Port))
	case c.Sleep > 0:
		pause(ctx, c.Sleep)
		return nil
	}
	return l.exec(ctx, c.Command)
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
	l.group.kill()
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
	known := maps.Clone(l.known)
	for _, pid := range l.group.pids() {
		if p, err := readStat(pid); err == nil && l.group != nil {
			if known == nil {
				known = map[int]uint64{}
			}
			known[pid] = p.start
		}
	}
	return family{
		marker: l.marker, leaders: map[int]bool{l.process.pid: true}, known: known,
		except: func(pid int) bool { return pid != l.process.pid && l.runner.spawner.started(pid) },
	}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
