package supervise

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// spawner starts processes from one thread. Linux sends the parent-death signal when the thread that started a process
// ends, not when the program does; so that thread must live as long as any of them.
type spawner struct {
	dieWithUs  bool // children get SIGKILL when this program ends, since no keeper sees to that
	requests   chan spawnRequest
	restricted chan spawnRequest // for a thread without new privileges, which children inherit

	mu     sync.Mutex
	direct map[int]bool // processes that we started and have not reaped
}

type spawnRequest struct {
	path  string
	argv  []string
	attr  *os.ProcAttr
	reply chan spawnReply
}

type spawnReply struct {
	process *os.Process
	err     error
}

var errSpawnerEnded = errors.New("the supervisor has ended")

func newSpawner() *spawner {
	return &spawner{requests: make(chan spawnRequest), restricted: make(chan spawnRequest), direct: map[int]bool{}}
}

// serve starts what it is asked to until done is closed; by then no process may be left.
func (s *spawner) serve(done <-chan struct{}) {
	// No unlock: the thread ends with the goroutine.
	runtime.LockOSThread()
	s.take(s.requests, done)
}

// serveRestricted is serve on a thread that can gain no privileges.
func (s *spawner) serveRestricted(done <-chan struct{}) {
	runtime.LockOSThread()
	err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	for err != nil {
		select {
		case r := <-s.restricted:
			r.reply <- spawnReply{nil, fmt.Errorf("give up new privileges: %w", err)}
		case <-done:
			return
		}
	}
	s.take(s.restricted, done)
}

func (s *spawner) take(requests <-chan spawnRequest, done <-chan struct{}) {
	for {
		select {
		case r := <-requests:
			process, err := os.StartProcess(r.path, r.argv, r.attr)
			if err == nil {
				s.mu.Lock()
				s.direct[process.Pid] = true
				s.mu.Unlock()
			}
			r.reply <- spawnReply{process, err}
		case <-done:
			return
		}
	}
}

// start runs path in a process group of its own.
func (s *spawner) start(done <-chan struct{}, path string, argv []string, attr *os.ProcAttr, restricted bool) (*process, error) {
	attr.Sys.Setpgid = true
	if s.dieWithUs {
		attr.Sys.Pdeathsig = syscall.SIGKILL
	}
	reply := make(chan spawnReply, 1)
	requests := s.requests
	if restricted {
		requests = s.restricted
	}
	select {
	case requests <- spawnRequest{path, argv, attr, reply}:
	case <-done:
		return nil, errSpawnerEnded
	}
	r := <-reply
	if r.err != nil {
		return nil, r.err
	}
	p := &process{pid: r.process.Pid, handle: r.process, spawner: s}
	if stat, err := readStat(p.pid); err == nil { // a child that nobody has waited for is there
		p.start = stat.start
	}
	return p, nil
}

// started reports whether pid is a process that start returned and reap has not ended.
func (s *spawner) started(pid int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.direct[pid]
}

// process is a process group whose leader we started, or took over from who did.
type process struct {
	pid     int
	start   uint64      // in clock ticks since boot
	handle  *os.Process // nil where we took it over
	pidfd   int         // of one that we took over
	spawner *spawner

	mu     sync.Mutex
	reaped bool
}

// await returns how the leader ended, and leaves it unreaped: as long as it is, the kernel gives neither its ID nor
// that of its group to anyone else, and signals cannot reach a stranger.
func (p *process) await() exit {
	if p.handle == nil {
		return awaitOther(p.pid, p.pidfd)
	}
	var info siginfo
	for {
		err := unix.Waitid(unix.P_PID, p.pid, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return exit{code: info.code, status: int(info.status)}
		}
	}
}

// signal sends sig to the group, unless the leader was reaped.
func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = syscall.Kill(-p.pid, sig)
	}
}

// reap ends the leader's entry in the process table. It must have ended.
func (p *process) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped = true; p.handle == nil {
		unix.Close(p.pidfd)
		return
	}
	_, _ = p.handle.Wait()
	p.spawner.mu.Lock()
	delete(p.spawner.direct, p.pid)
	p.spawner.mu.Unlock()
}

// siginfo is siginfo_t of the kernel as waitid fills it.
type siginfo struct {
	signo, errno, code int32
	_                  [unsafe.Sizeof(uintptr(0)) - 4]byte // the union is aligned as a pointer
	pid                int32
	uid                uint32
	status             int32
	_                  [128]byte // no shorter than unix.Siginfo
}

// exit is how a process ended.
type exit struct {
	code   int32 // CLD_EXITED, CLD_KILLED or CLD_DUMPED; 0 where it is not known
	status int   // exit status or signal
}

// Codes of waitid(2).
const (
	cldExited = 1
	cldKilled = 2
)

// ok reports exit status 0.
func (e exit) ok() bool { return e.code == cldExited && e.status == 0 }

// String is how it ended in words.
func (e exit) String() string {
	if e.code == 0 {
		return "ended; an earlier Afloat started it, and the kernel does not tell how it ended"
	}
	if e.code == cldExited {
		return "exited with status " + strconv.Itoa(e.status)
	}
	name := unix.SignalName(syscall.Signal(e.status))
	if name == "" {
		name = "signal " + strconv.Itoa(e.status)
	}
	return "killed by " + name
}
