package supervise

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// story steps a machine through inputs and writes what it does: the inputs are words, with a time in seconds before
// them and an exit status after.
func story(m *machine, inputs string) string {
	kinds := map[string]inputKind{
		"create": inCreate, "started": inStarted, "failed": inStartFailed, "startup": inStartup, "ready": inReady,
		"unready": inUnready, "unhealthy": inUnhealthy, "exited": inExited, "gone": inGone, "retry": inRetry, "stop": inStop,
	}
	effects := map[effectKind]string{
		doStart: "start", doProbeStartup: "startup?", doProbeReadiness: "ready?", doProbeLiveness: "alive?", doEndProbes: "-probes",
		doRemove: "remove",
	}
	var out []string
	for line := range strings.FieldsFuncSeq(inputs, func(r rune) bool { return r == ',' }) {
		var second float64
		var word string
		in := input{why: "why", grace: time.Second}
		_, _ = fmt.Sscan(line, &second, &word)
		word, in.ok = strings.CutSuffix(word, "=0")
		in.kind, in.at = kinds[word], time.Unix(0, 0).Add(time.Duration(second*float64(time.Second)))
		var did []string
		for _, e := range m.step(in) {
			switch e.kind {
			case doTell:
			case doRetry:
				did = append(did, "retry "+e.delay.String())
			case doStop:
				did = append(did, fmt.Sprintf("stop %v drain=%v", e.grace, e.drain))
			case doStart:
				did = append(did, map[bool]string{false: "start", true: "start afresh"}[e.fresh])
			default:
				did = append(did, effects[e.kind])
			}
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s: %v: %s", word, m.phase, strings.Join(did, ", "))))
	}
	return strings.Join(out, "\n")
}

func TestMachine(t *testing.T) {
	plain := Config{}
	probed := Config{Startup: &ProbeConfig{}, Readiness: &ProbeConfig{}, Liveness: &ProbeConfig{}}
	once := Config{Restart: RestartConfig{Policy: RestartOnFailure}}
	for _, test := range []struct {
		name   string
		config Config
		inputs string
		want   []string
	}{
		{"startup holds the others back", probed, "0 create,0 started,1 startup,2 ready,3 unready,4 ready", []string{
			"create: starting: start", "started: starting: startup?", "startup: starting: alive?, ready?",
			"ready: ready:", "unready: unready:", "ready: ready:",
		}},
		{"a service waits for its port", Config{Serves: true}, "0 create,0 started,1 ready", []string{
			"create: starting: start", "started: starting: ready?", "ready: ready:",
		}},
		{"a crash after long health restarts at once", plain, "0 create,0 started,10 exited,10 retry,10 gone", []string{
			"create: starting: start", "started: ready:", "exited: backoff: -probes, retry 0s", "retry: backoff:", "gone: starting: start",
		}},
		{"crashes in a row back off", plain, "0 create,0 failed,1 retry,1 failed,2 retry,2 started,3 exited,3 gone,4 retry", []string{
			"create: starting: start", "failed: backoff: retry 100ms", "retry: starting: start", "failed: backoff: retry 200ms",
			"retry: starting: start", "started: ready:", "exited: backoff: -probes, retry 400ms", "gone: backoff:", "retry: starting: start",
		}},
		{"one that was never ready gets other ports", probed, "0 create,0 started,1 exited,1 gone,2 retry", []string{
			"create: starting: start", "started: starting: startup?", "exited: backoff: -probes, retry 100ms", "gone: backoff:",
			"retry: starting: start afresh",
		}},
		{"a failed liveness probe restarts", plain, "0 create,0 started,1 unhealthy,2 exited=0,2 gone,3 retry", []string{
			"create: starting: start", "started: ready:", "unhealthy: stopping: -probes, stop 1s drain=false", "exited: stopping: -probes",
			"gone: backoff: retry 100ms", "retry: starting: start",
		}},
		{"a stop goes through draining", plain, "0 create,0 started,1 stop,2 exited,2 gone", []string{
			"create: starting: start", "started: ready:", "stop: stopping: -probes, stop 30s drain=true", "exited: stopping: -probes",
			"gone: stopped: remove",
		}},
		{"a stop while it starts waits for the process", plain, "0 create,0 stop,1 started,2 exited,2 gone", []string{
			"create: starting: start", "stop: stopping: -probes", "started: stopping: stop 30s drain=false", "exited: stopping: -probes",
			"gone: stopped: remove",
		}},
		{"a stop in backoff is the end", plain, "0 create,0 failed,0 stop,1 retry", []string{
			"create: starting: start", "failed: backoff: retry 100ms", "stop: stopped: remove", "retry: stopped:",
		}},
		{"a stop overrules a restart", plain, "0 create,0 started,1 unhealthy,1 stop,2 exited,2 gone", []string{
			"create: starting: start", "started: ready:", "unhealthy: stopping: -probes, stop 1s drain=false", "stop: stopping:",
			"exited: stopping: -probes", "gone: stopped: remove",
		}},
		{"a late probe changes nothing", plain, "0 create,0 started,1 exited,1 ready,1 unready,1 unhealthy", []string{
			"create: starting: start", "started: ready:", "exited: backoff: -probes, retry 100ms", "ready: backoff:", "unready: backoff:",
			"unhealthy: backoff:",
		}},
		{"success ends what restarts on failure", once, "0 create,0 started,1 exited=0,1 gone", []string{
			"create: starting: start", "started: ready:", "exited: stopped: -probes", "gone: stopped:",
		}},
		{"a failed probe is a failure whatever the status", once, "0 create,0 started,1 unhealthy,1 exited=0,1 gone", []string{
			"create: starting: start", "started: ready:", "unhealthy: stopping: -probes, stop 1s drain=false", "exited: stopping: -probes",
			"gone: backoff: retry 100ms",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine(test.config.WithDefaults())
			if diff := cmp.Diff(test.want, strings.Split(story(&m, test.inputs), "\n")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBackoffDoublesToItsLimitWithJitter(t *testing.T) {
	c := RestartConfig{}.withDefaults()
	var got []time.Duration
	for streak := range 12 {
		got = append(got, c.delay(streak)/time.Millisecond)
	}
	want := []time.Duration{0, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if d := c.delay(100000); d != c.DelayMax {
		t.Errorf("got %v after very many failures", d)
	}
	m := newMachine(Config{}.WithDefaults())
	m.step(input{kind: inCreate})
	for _, e := range m.step(input{kind: inStartFailed, random: 1}) {
		if e.kind == doRetry && e.delay != 50*time.Millisecond {
			t.Errorf("got %v at most jitter, want half of 100ms", e.delay)
		}
	}
}

func TestRolloutStallsAndResumes(t *testing.T) {
	start := time.Unix(0, 0)
	r := newRollout(start, headcount{wanted: 2, old: 2})
	for _, step := range []struct {
		second int
		heads  headcount
		want   EventKind
	}{
		{1, headcount{2, 1, 0, 2}, ""},
		{5, headcount{2, 1, 1, 2}, ""}, // progress
		{8, headcount{2, 1, 0, 2}, ""},
		{9, headcount{2, 1, 1, 2}, ""}, // none: it was there before
		{14, headcount{2, 1, 1, 2}, ""},
		{15, headcount{2, 1, 1, 2}, EventRolloutStalled},
		{16, headcount{2, 1, 1, 2}, ""},
		{17, headcount{2, 2, 2, 1}, EventRolloutResumed},
		{18, headcount{2, 2, 2, 0}, EventRolloutComplete},
		{90, headcount{2, 2, 0, 0}, ""},
	} {
		if got := r.observe(start.Add(time.Duration(step.second)*time.Second), 10*time.Second, step.heads); got != step.want {
			t.Errorf("after %ds: got %q, want %q", step.second, got, step.want)
		}
	}
}
