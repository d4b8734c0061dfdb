package supervise

import (
	"math"
	"time"
)

// machine is the life of one replica, apart from goroutines, clocks and processes: step takes what happened and
// returns what to do.
type machine struct {
	restart RestartConfig
	grace   time.Duration
	startup bool // there is a startup probe
	ready   bool // there is a readiness probe, or a first connection to wait for
	live    bool // there is a liveness probe

	phase      Phase
	process    processState
	since      time.Time // when phase began
	readySince time.Time // zero unless ready
	nextTry    time.Time // in backoff
	due        bool      // in backoff: nextTry has come
	reached    bool      // the present or last process was ready once
	again      bool      // in stopping: start again afterwards
	done       bool      // in stopped: it ended well, of itself
	streak     int       // failures since it was last healthy for long; 0 lets it restart at once
	starts     int
	startedAt  time.Time // when the present or last process was
	pid        int
	lastExit   string
	why        string

	at      time.Time // of the current step
	effects []effect
}

// processState is how far the operating system is with a replica's process.
type processState int

const (
	processNone     processState = iota
	processStarting              // asked for
	processAlive
	processEnding // the main process ended, what it left behind is being stopped
)

func newMachine(c Config) machine {
	return machine{
		restart: c.Restart, grace: c.Grace,
		startup: c.Startup != nil, ready: c.Readiness != nil || len(c.Ports) > 0 || c.Serves, live: c.Liveness != nil,
		streak: 1,
	}
}

// step moves the replica on. Inputs that have no meaning in the present phase change nothing.
func (m *machine) step(in input) []effect {
	m.at, m.effects = in.at, nil
	switch in.kind {
	case inCreate:
		m.launch()
	case inStarted:
		m.started(in.pid)
	case inAdopt:
		m.adopted()
	case inStartFailed:
		m.startFailed(in)
	case inStartup:
		if m.phase == PhaseStarting {
			m.probe()
		}
	case inReady:
		m.becomeReady()
	case inUnready:
		m.becomeUnready(in.why)
	case inUnhealthy:
		m.unhealthy(in)
	case inExited:
		m.exited(in)
	case inGone:
		m.gone(in)
	case inRetry:
		m.retry()
	case inKilled:
		m.tell(EventKilled, in.why)
	case inStop:
		m.stop(in)
	}
	return m.effects
}

func (m *machine) launch() {
	m.process, m.due, m.nextTry = processStarting, false, time.Time{}
	m.enter(PhaseStarting, "")
	m.do(effect{kind: doStart, fresh: m.starts > 0 && !m.reached})
	m.reached = false
}

func (m *machine) started(pid int) {
	m.process, m.pid, m.startedAt = processAlive, pid, m.at
	m.starts++
	if m.starts == 1 {
		m.tell(EventStarted, "")
	} else {
		m.tell(EventRestarted, m.lastExit)
	}
	switch {
	case m.phase == PhaseStopping:
		m.do(effect{kind: doStop, grace: m.grace})
	case m.startup:
		m.do(effect{kind: doProbeStartup})
	default:
		m.probe()
	}
}

// takeOver makes the machine that of a process which runs already.
func (m *machine) takeOver(held heldReplica) {
	m.process, m.pid, m.starts, m.reached, m.since = processAlive, held.PID, held.Starts, held.Reached, held.Since
	m.startedAt = held.Began
	switch {
	case held.Ready:
		m.phase, m.readySince = PhaseReady, held.Since
	case held.Reached:
		m.phase = PhaseUnready
	default:
		m.phase = PhaseStarting
	}
}

// adopted begins to ask a process that was taken over.
func (m *machine) adopted() {
	m.tell(EventAdopted, "")
	switch {
	case m.phase == PhaseStopping:
		m.do(effect{kind: doStop, grace: m.grace})
	case m.startup && !m.reached:
		m.do(effect{kind: doProbeStartup})
	default:
		m.probe()
	}
}

// probe begins what a startup probe holds back.
func (m *machine) probe() {
	if m.live {
		m.do(effect{kind: doProbeLiveness})
	}
	if m.ready {
		m.do(effect{kind: doProbeReadiness})
	} else {
		m.becomeReady()
	}
}

func (m *machine) startFailed(in input) {
	m.process, m.lastExit = processNone, in.why
	m.tell(EventExited, in.why)
	if m.phase == PhaseStopping {
		m.finish(in)
		return
	}
	m.restartOrEnd(in)
}

func (m *machine) becomeReady() {
	if m.phase != PhaseStarting && m.phase != PhaseUnready || m.process != processAlive {
		return
	}
	m.enter(PhaseReady, "")
	m.readySince, m.reached = m.at, true
	m.tell(EventReady, "")
}

func (m *machine) becomeUnready(why string) {
	switch m.phase {
	case PhaseStarting, PhaseUnready:
		m.why = why
	case PhaseReady:
		m.noteHealth()
		m.enter(PhaseUnready, why)
		m.tell(EventUnready, why)
	}
}

func (m *machine) unhealthy(in input) {
	if m.phase > PhaseUnready || m.process != processAlive {
		return
	}
	m.noteHealth()
	m.enter(PhaseStopping, in.why)
	m.again = true
	m.do(effect{kind: doEndProbes})
	m.tell(EventStopping, in.why)
	m.do(effect{kind: doStop, grace: in.grace})
}

func (m *machine) exited(in input) {
	m.process, m.lastExit = processEnding, in.why
	if m.phase == PhaseStopping && m.again {
		m.lastExit = m.why + "; " + in.why // the exit alone would not say why it is restarted
	}
	m.do(effect{kind: doEndProbes})
	m.tell(EventExited, in.why)
	m.pid = 0
	if m.phase != PhaseStopping {
		m.noteHealth()
		m.restartOrEnd(in)
	}
}

func (m *machine) gone(in input) {
	m.process = processNone
	switch {
	case m.phase == PhaseStopping:
		m.finish(in)
	case m.phase == PhaseBackoff && m.due:
		m.launch()
	}
}

func (m *machine) retry() {
	if m.phase != PhaseBackoff {
		return
	}
	m.due = true
	if m.process == processNone {
		m.launch()
	}
}

func (m *machine) stop(in input) {
	switch {
	case m.phase == PhaseStopping:
		m.again, m.why = false, in.why
	case m.process == processNone:
		m.why = in.why
		m.finish(in)
	default:
		drain := m.phase == PhaseReady
		m.noteHealth()
		m.enter(PhaseStopping, in.why)
		m.do(effect{kind: doEndProbes})
		m.tell(EventStopping, in.why)
		if m.process == processAlive {
			m.do(effect{kind: doStop, grace: m.grace, drain: drain})
		}
	}
}

// finish is the end of stopping: for good, or to begin again.
func (m *machine) finish(in input) {
	if m.again {
		m.again = false
		in.why, in.ok = m.why, false
		m.restartOrEnd(in)
		return
	}
	m.enter(PhaseStopped, m.why)
	m.tell(EventStopped, m.why)
	m.do(effect{kind: doRemove})
}

// restartOrEnd is what follows an end that nobody asked for.
func (m *machine) restartOrEnd(in input) {
	if m.restart.Policy == RestartNever || m.restart.Policy == RestartOnFailure && in.ok {
		m.enter(PhaseStopped, in.why)
		m.done = in.ok
		m.tell(EventStopped, in.why)
		return
	}
	delay := m.restart.delay(m.streak)
	delay -= time.Duration(in.random * float64(delay/2))
	m.streak++
	m.enter(PhaseBackoff, in.why)
	m.nextTry = m.at.Add(delay)
	m.do(effect{kind: doRetry, delay: delay})
}

// noteHealth forgets earlier failures when a time of being ready that ends now was long enough.
func (m *machine) noteHealth() {
	if !m.readySince.IsZero() && m.at.Sub(m.readySince) >= m.restart.ResetAfter {
		m.streak = 0
	}
	m.readySince = time.Time{}
}

func (m *machine) enter(p Phase, why string) {
	m.phase, m.since, m.why = p, m.at, why
}

func (m *machine) do(e effect) { m.effects = append(m.effects, e) }

func (m *machine) tell(kind EventKind, why string) {
	m.do(effect{kind: doTell, event: kind, pid: m.pid, asked: m.phase == PhaseStopping, why: why})
}

// delay is the longest wait before the next start after a streak of failures.
func (c RestartConfig) delay(streak int) time.Duration {
	if streak == 0 {
		return 0
	}
	d := float64(c.DelayMin) * math.Pow(2, float64(streak-1))
	return time.Duration(min(d, float64(c.DelayMax)))
}

// restarts is how many starts there were after the first.
func (m *machine) restarts() int { return max(0, m.starts-1) }
