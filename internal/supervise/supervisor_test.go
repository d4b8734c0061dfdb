package supervise

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestReplicasGetPortsOfTheirOwn(t *testing.T) {
	c := testConfig("web", "serve")
	c.Replicas, c.Ports = 3, []int{8080, 9090}
	h := supervise(t, nil, c)
	h.settle()
	seen := map[string]bool{}
	for _, r := range h.service("web").Replicas {
		for _, p := range r.Ports {
			if seen[p.Addr] {
				t.Errorf("%s was handed out twice", p.Addr)
			}
			seen[p.Addr] = true
		}
	}
	if len(seen) != 6 {
		t.Errorf("got %d addresses, want 6", len(seen))
	}
}

func TestKilledReplicaIsReplacedAtItsAddress(t *testing.T) {
	c := testConfig("web", "serve")
	c.Replicas = 2
	h := supervise(t, nil, c)
	h.settle()
	before := h.first("web")
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.eventually("a restart", func() bool { return h.first("web").Restarts == 1 })
	h.settle()
	after := h.first("web")
	if after.LastExit != "killed by SIGKILL" || after.PID == before.PID || after.Ports[0] != before.Ports[0] {
		t.Errorf("got %+v after %+v", after, before)
	}
}

func TestHungReplicaLeavesEndpointsAndReturns(t *testing.T) {
	c := testConfig("web", "serve")
	c.Readiness = health()
	h := supervise(t, nil, c)
	h.settle()
	addr := h.ready("web")[0].Addr
	h.get(addr, "/set?status=500")
	h.eventually("no endpoint", func() bool { return len(h.ready("web")) == 0 })
	if r := h.first("web"); r.Phase != PhaseUnready || r.Why != "readiness probe failed: GET /health: status 500" {
		t.Errorf("got %v, %q", r.Phase, r.Why)
	}
	h.get(addr, "/set?status=204")
	h.settle()
	if r := h.first("web"); r.Restarts != 0 {
		t.Errorf("got %d restarts, want none for readiness", r.Restarts)
	}
}

func TestFailedLivenessRestartsEvenAStoppedProcess(t *testing.T) {
	c := testConfig("web", "serve")
	c.Liveness = health()
	c.Liveness.Timeout, c.Liveness.Grace = 50*time.Millisecond, 100*time.Millisecond
	h := supervise(t, nil, c)
	h.settle()
	before := h.first("web")
	if err := syscall.Kill(before.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	h.eventually("a restart", func() bool { return h.first("web").Restarts > 0 })
	h.settle()
	if stops := h.heard(EventStopping); !strings.Contains(stops[0].Why, "liveness probe failed") {
		t.Errorf("got %+v", stops[0])
	}
}

func TestStartupProbeHoldsOthersBackAndFails(t *testing.T) {
	c := testConfig("web", "serve", "STATUS=503")
	c.Startup, c.Readiness = health(), health()
	c.Startup.FailureThreshold = 3
	h := supervise(t, nil, c)
	h.eventually("a restart", func() bool { return h.first("web").Restarts > 0 })
	if ready := h.heard(EventReady); len(ready) > 0 {
		t.Errorf("ready before the startup probe succeeded: %+v", ready)
	}
	c.Env["STATUS"] = "200"
	h.apply(c)
	h.settle()
}

func TestStubbornReplicaIsKilledAfterGrace(t *testing.T) {
	c := testConfig("web", "serve", "STUBBORN=1")
	c.Grace = 100 * time.Millisecond
	h := supervise(t, nil, c)
	h.settle()
	h.stop()
	if killed := h.heard(EventKilled); len(killed) != 1 || killed[0].Why != "did not end within 100ms" {
		t.Errorf("got %+v", killed)
	}
	if exited := h.heard(EventExited); len(exited) != 1 || exited[0].Why != "killed by SIGKILL" {
		t.Errorf("got %+v", exited)
	}
}

func TestNothingOfAReplicaOutlivesIt(t *testing.T) {
	for _, mode := range []string{"family", "wiped"} {
		t.Run(mode, func(t *testing.T) {
			h := supervise(t, nil, testConfig("web", mode))
			h.settle()
			before := h.first("web")
			family := family{marker: h.instance + "/", leaders: map[int]bool{before.PID: true}}
			var children []proc
			h.eventually("grandchildren", func() bool {
				table, _ := processTable(true)
				children = slices.DeleteFunc(family.members(table), func(p proc) bool { return p.pid == before.PID })
				return len(children) == map[string]int{"family": 2, "wiped": 1}[mode]
			})
			if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			h.eventually("a restart", func() bool { return h.first("web").Restarts == 1 })
			for _, p := range children {
				if now, err := readStat(p.pid); err == nil && now.start == p.start && !now.zombie {
					t.Errorf("process %d of the old family lives beside the new one", p.pid)
				}
			}
			h.eventually("no zombies", func() bool {
				return !slices.ContainsFunc(children, func(p proc) bool {
					now, err := readStat(p.pid)
					return err == nil && now.start == p.start
				})
			})
		})
	}
}

func TestDrainComesAfterEndpointsAndBeforeSIGTERM(t *testing.T) {
	c := testConfig("web", "serve")
	var h *harness
	var problems []string
	drained := make(chan string, 1)
	set := func(o *Options) {
		o.Drain = func(_ context.Context, service, addr string) {
			if len(h.ready(service)) != 0 {
				problems = append(problems, "still an endpoint")
			}
			if syscall.Kill(h.first(service).PID, 0) != nil {
				problems = append(problems, "already gone")
			}
			drained <- addr
		}
	}
	h = supervise(t, set, c)
	h.settle()
	addr := h.ready("web")[0].Addr
	h.apply()
	h.eventually("the service is gone", func() bool { return len(h.Status()) == 0 })
	if got := <-drained; got != addr || len(problems) > 0 {
		t.Errorf("drained %s, want %s; %v", got, addr, problems)
	}
}

func TestExitStatusFollowsThePolicy(t *testing.T) {
	for _, test := range []struct {
		policy RestartPolicy
		code   string
		again  bool
	}{
		{RestartAlways, "0", true},
		{RestartOnFailure, "0", false},
		{RestartOnFailure, "3", true},
		{RestartNever, "3", false},
	} {
		t.Run(string(test.policy)+test.code, func(t *testing.T) {
			c := testConfig("job", "exit", "CODE="+test.code)
			c.Ports, c.Restart.Policy = nil, test.policy
			h := supervise(t, nil, c)
			if test.again {
				h.eventually("restarts", func() bool { return h.first("job").Restarts >= 2 })
			} else {
				h.eventually("stopped", func() bool { return len(h.heard(EventStopped)) == 1 })
			}
			r := h.first("job")
			if r.LastExit != "exited with status "+test.code || !test.again && r.Restarts != 0 {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestCommandThatIsNotThereBacksOffAndHeals(t *testing.T) {
	c := testConfig("web", "serve")
	c.Command = []string{"./no-such-program"}
	h := supervise(t, nil, c)
	h.eventually("some tries", func() bool { return len(h.heard(EventExited)) >= 3 })
	if r := h.first("web"); r.LastExit != "command not found: ./no-such-program" || r.PID != 0 {
		t.Errorf("got %+v", r)
	}
	if started := h.heard(EventStarted); len(started) > 0 {
		t.Errorf("told as started: %+v", started)
	}
	h.apply(testConfig("web", "serve"))
	h.settle()
}

func TestOutputHasPrefixAndIsBounded(t *testing.T) {
	c := testConfig("say", "say", "TEXT=one\n"+strings.Repeat("x", lineMax+10)+"\nend")
	c.Ports, c.Restart.Policy = nil, RestartNever
	h := supervise(t, nil, c)
	h.eventually("stopped", func() bool { return len(h.heard(EventStopped)) == 1 })
	h.stop()
	want := "say/1 | one\nsay/1 | " + strings.Repeat("x", lineMax) + "\nsay/1 | " + strings.Repeat("x", 10) + "\nsay/1 | end\n"
	if h.output.String() != want {
		t.Errorf("got %q", h.output.String())
	}
}

func TestApplyRefusesAllOrNothing(t *testing.T) {
	s := New(Options{})
	good := testConfig("web", "serve")
	for name, configs := range map[string][]Config{
		"invalid":   {good, {Name: "bad"}},
		"same name": {good, good},
	} {
		if err := s.Apply(configs); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if len(s.Status()) != 0 {
		t.Errorf("got %+v, want no service", s.Status())
	}
	var field *FieldError
	if err := s.Apply([]Config{{Name: "bad"}}); !errors.As(err, &field) || field.Field != "command" {
		t.Errorf("got %v", err)
	}
}

func TestExecProbeSeesTheReplicaAndIsKilledOnTimeout(t *testing.T) {
	flag := filepath.Join(t.TempDir(), "broken")
	c := testConfig("web", "serve", "FLAG="+flag)
	script := `test -n "$PORT" || exit 3; if test -e "$FLAG"; then echo broken; sleep 60 & wait; fi`
	c.Readiness = &ProbeConfig{Exec: &ExecConfig{Command: []string{"sh", "-c", script}}, Period: 20 * time.Millisecond}
	c.Readiness.Timeout, c.Readiness.FailureThreshold = 500*time.Millisecond, 1
	h := supervise(t, nil, c)
	h.settle()
	if err := os.WriteFile(flag, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	h.eventually("no endpoint", func() bool { return len(h.ready("web")) == 0 })
	if why := h.first("web").Why; why != "readiness probe failed: sh: no answer in time" {
		t.Errorf("got %q", why)
	}
	if err := os.Remove(flag); err != nil {
		t.Fatal(err)
	}
	h.settle()
	h.eventually("the probes' families gone", func() bool { return len(marked(h.instance)) <= 2 })
}

func TestFailedExecProbeSaysWhy(t *testing.T) {
	c := testConfig("web", "serve")
	c.Readiness = &ProbeConfig{Exec: &ExecConfig{Command: []string{"sh", "-c", "echo no database; exit 4"}}}
	c.Readiness.Period, c.Readiness.FailureThreshold = 10*time.Millisecond, 1
	h := supervise(t, nil, c)
	want := "readiness probe failed: sh: exited with status 4: no database"
	h.eventually("a verdict", func() bool { return h.first("web").Why == want })
	if len(h.ready("web")) != 0 {
		t.Error("an endpoint without readiness")
	}
}

func TestPreStopRunsBeforeSIGTERM(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	c := testConfig("web", "serve", "MARK="+mark)
	c.PreStop = &PreStopConfig{Command: []string{"sh", "-c", `echo "$PORT" > "$MARK"`}}
	h := supervise(t, nil, c)
	h.settle()
	addr := h.ready("web")[0].Addr
	h.stop()
	text, err := os.ReadFile(mark)
	if err != nil || addr != "127.0.0.1:"+strings.TrimSpace(string(text)) {
		t.Errorf("got %q, %v, want the port of %s", text, err, addr)
	}
}

func TestServerOfAShellThatDiedHasItsGrace(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	c := testConfig("web", "serve", "MARK="+mark)
	c.Ports = nil
	c.Command = []string{"sh", "-c", `sh -c 'trap "sleep 0.2; echo done > $MARK; exit" TERM; echo up; while :; do sleep 0.01; done' & wait`}
	h := supervise(t, nil, c)
	h.eventually("the server is up", func() bool { return strings.Contains(h.text(), "up") })
	h.stop()
	if text, err := os.ReadFile(mark); err != nil || string(text) != "done\n" {
		t.Errorf("got %q, %v: the server was killed before it was done", text, err)
	}
	if killed := h.heard(EventKilled); len(killed) > 0 {
		t.Errorf("got %+v", killed)
	}
}

func TestOutputNamesTheStream(t *testing.T) {
	c := testConfig("say", "say")
	c.Command, c.Ports, c.Restart.Policy = []string{"sh", "-c", "echo out; echo err >&2"}, nil, RestartNever
	h := supervise(t, func(o *Options) { o.OutputStream = true }, c)
	h.eventually("stopped", func() bool { return len(h.heard(EventStopped)) == 1 })
	h.stop()
	for _, line := range []string{"say/1 stdout | out\n", "say/1 stderr | err\n"} {
		if !strings.Contains(h.text(), line) {
			t.Errorf("got %q, want %q in it", h.text(), line)
		}
	}
}
