package supervise

import (
	"errors"
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
	requests chan spawnRequest

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
	return &spawner{requests: make(chan spawnRequest), direct: map[int]bool{}}
}

// serve starts what it is asked to until done is closed; by then no process may be left.
func (s *spawner) serve(done <-chan struct{}) {
	// No unlock: the thread ends with the goroutine.
	runtime.LockOSThread()
	for {
		select {
		case r := <-s.requests:
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

// start runs path in a process group of its own, which gets SIGKILL when Afloat dies.
func (s *spawner) start(done <-chan struct{}, path string, argv []string, attr *os.ProcAttr) (*process, error) {
	attr.Sys = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	reply := make(chan spawnReply, 1)
	select {
	case s.requests <- spawnRequest{path, argv, attr, reply}:
	case <-done:
		return nil, errSpawnerEnded
	}
	r := <-reply
	if r.err != nil {
		return nil, r.err
	}
	return &process{pid: r.process.Pid, handle: r.process, spawner: s}, nil
}

// started reports whether pid is a process that start returned and reap has not ended.
func (s *spawner) started(pid int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.direct[pid]
}

// process is a process group whose leader we started.
type process struct {
	pid     int
	handle  *os.Process
	spawner *spawner

	mu     sync.Mutex
	reaped bool
}

// await returns how the leader ended, and leaves it unreaped: as long as it is, the kernel gives neither its ID nor
// that of its group to anyone else, and signals cannot reach a stranger.
func (p *process) await() exit {
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
	_, _ = p.handle.Wait()
	p.reaped = true
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
	code   int32 // CLD_EXITED, CLD_KILLED or CLD_DUMPED
	status int   // exit status or signal
}

const cldExited = 1 // CLD_EXITED of waitid(2)

// ok reports exit status 0.
func (e exit) ok() bool { return e.code == cldExited && e.status == 0 }

// String is how it ended in words.
func (e exit) String() string {
	if e.code == cldExited {
		return "exited with status " + strconv.Itoa(e.status)
	}
	name := unix.SignalName(syscall.Signal(e.status))
	if name == "" {
		name = "signal " + strconv.Itoa(e.status)
	}
	return "killed by " + name
}
