package supervise

import "time"

// input is something that happened to a replica.
type input struct {
	kind   inputKind
	at     time.Time
	pid    int           // of inStarted
	why    string        // what happened in words
	ok     bool          // of inExited: with status 0
	grace  time.Duration // of inUnhealthy
	random float64       // from 0 to 1, for jitter
}

type inputKind int

const (
	inNothing     inputKind = iota
	inCreate                // it is wanted
	inStarted               // the process runs
	inAdopt                 // it was taken over, and runs
	inStartFailed           // it cannot be run
	inStartup               // the startup probe succeeded
	inReady                 // the readiness probe succeeded
	inUnready               // the readiness probe failed
	inUnhealthy             // the startup or the liveness probe failed
	inExited                // the main process ended
	inGone                  // nothing of the process is left
	inRetry                 // the backoff is over
	inKilled                // the grace was over
	inStop                  // it is not wanted any more
)

// effect is something to do for a replica.
type effect struct {
	kind  effectKind
	delay time.Duration // of doRetry
	grace time.Duration // of doStop
	drain bool          // of doStop
	fresh bool          // of doStart: on other ports, since nothing came of those it had
	event EventKind     // of doTell
	pid   int           // of doTell
	asked bool          // of doTell: it was told to end
	why   string        // of doTell
}

type effectKind int

const (
	doStart          effectKind = iota
	doProbeStartup              // begin the startup probe
	doProbeReadiness            // begin the readiness probe
	doProbeLiveness             // begin the liveness probe
	doEndProbes
	doStop // drain if asked, run PreStop, SIGTERM, SIGKILL after grace
	doRetry
	doTell
	doRemove // the replica's life is over
)
