package supervise

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/handover"
)

// counting is a service that prints a number a line for as long as it runs, and has all probes.
func counting(name string) Config {
	c := testConfig(name, "count")
	c.Replicas = 2
	c.Startup, c.Readiness, c.Liveness = health(), health(), health()
	c.Startup.FailureThreshold = 1000 // however slow it is to start
	return c
}

// passTo hands the store of one supervisor to another, which is configured before and serves after.
func passTo(t *testing.T, from *harness, configs ...Config) *harness {
	t.Helper()
	ours, file, err := handover.Pair()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := handover.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	next := make(chan *harness, 1)
	go func() {
		in, err := handover.Receive(theirs, time.Now().Add(patience))
		if err != nil {
			t.Error(err)
			close(next)
			return
		}
		h := inherit(t, in, true, configs...)
		if err := in.Taken(); err != nil {
			t.Error(err)
		}
		next <- h
	}()
	err = from.Yield(t.Context(), func() error {
		defer ours.Close()
		if err := from.opts.Store.SendTo(ours); err != nil {
			return err
		}
		return handover.AwaitTaken(ours, time.Now().Add(patience))
	})
	if err != nil {
		t.Fatal(err)
	}
	h := <-next
	if h == nil {
		t.FailNow()
	}
	return h
}

// inherit runs a Supervisor that begins with an inheritance.
func inherit(t *testing.T, in *handover.Inheritance, alive bool, configs ...Config) *harness {
	t.Helper()
	h := newHarness(t, nil)
	h.apply(configs...)
	if err := h.Inherit(in, alive); err != nil {
		t.Fatal(err)
	}
	h.serve()
	<-h.Serving()
	return h
}

// pids are the main processes of a service, by replica.
func (h *harness) pids(name string) map[int]int {
	out := map[int]int{}
	for _, r := range h.service(name).Replicas {
		out[r.ID] = r.PID
	}
	return out
}

func TestAnotherAfloatTakesOverWhatRuns(t *testing.T) {
	c := counting("web")
	a := supervise(t, nil, c)
	a.settle()
	before, began := a.pids("web"), a.first("web").Started
	b := passTo(t, a, c)
	b.settle()
	if now := b.first("web").Started; began.IsZero() || !now.Equal(began) {
		t.Errorf("the process began at %v, want %v as before", now, began)
	}
	if after := b.pids("web"); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("got processes %v, want those that ran: %v", after, before)
	}
	a.stop()
	if got := len(a.ready("web")); got != 2 {
		t.Errorf("the earlier Afloat knows of %d endpoints while its last requests end, want 2", got)
	}
	for _, pid := range before {
		if !alive(pid) {
			t.Errorf("process %d ended with the Afloat that started it", pid)
		}
	}
	if exits := append(a.heard(EventExited, EventStopping), b.heard(EventExited, EventStarted)...); len(exits) > 0 {
		t.Errorf("got %+v", exits)
	}
	checkLines(t, a.text(), b, 20)

	// What was taken over is supervised like the rest: asked, restarted, told how it ended.
	b.get(b.ready("web")[0].Addr, "/set?status=500")
	b.eventually("a restart by liveness", func() bool { return b.first("web").Restarts == 1 })
	b.settle()
	if err := syscall.Kill(b.service("web").Replicas[1].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.eventually("a restart", func() bool { return b.service("web").Replicas[1].Restarts == 1 })
	if why := b.service("web").Replicas[1].LastExit; why != "killed by SIGKILL" && !strings.Contains(why, "does not tell") {
		t.Errorf("got %q", why)
	}
	b.settle()
}

// checkLines waits until n more lines came from the second of two supervisors, and reports lines that are missing or
// doubled between the two.
func checkLines(t *testing.T, first string, second *harness, n int) {
	t.Helper()
	start := strings.Count(second.text(), "\n")
	second.eventually("more lines", func() bool { return strings.Count(second.text(), "\n") >= start+n })
	seen := map[string]int{} // the last number by replica
	for _, line := range strings.Split(strings.TrimSpace(first+second.text()), "\n") {
		name, text, _ := strings.Cut(line, " | ")
		number, err := strconv.Atoi(text)
		if err != nil || number != seen[name]+1 {
			t.Fatalf("after line %d of %s came %q", seen[name], name, text)
		}
		seen[name] = number
	}
}

func TestReplicasOfAChangedConfigAreReplacedAfterTheyWereTakenOver(t *testing.T) {
	c := testConfig("web", "serve")
	gone := testConfig("gone", "serve")
	a := supervise(t, nil, c, gone)
	a.settle()
	before, left := a.first("web"), a.first("gone")
	changed := testConfig("web", "serve", "NEW=1")
	b := passTo(t, a, changed)
	b.eventually("the rolling update", func() bool {
		r := b.first("web")
		return r.PID != before.PID && r.Phase == PhaseReady && len(b.service("web").Replicas) == 1
	})
	if b.first("web").ID <= before.ID {
		t.Errorf("the number %d was given again", b.first("web").ID)
	}
	b.eventually("the service that is not wanted is gone", func() bool { return len(b.Status()) == 1 && !alive(left.PID) })
}

func TestYieldThatFailsChangesNothing(t *testing.T) {
	c := counting("web")
	h := supervise(t, nil, c)
	h.settle()
	before := h.pids("web")
	refused := errors.New("refused")
	if err := h.Yield(t.Context(), func() error { return refused }); !errors.Is(err, refused) {
		t.Fatalf("got %v", err)
	}
	checkLines(t, "", h, 20)
	if after := h.pids("web"); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("got %v, want %v", after, before)
	}
	h.get(h.ready("web")[0].Addr, "/set?status=500")
	h.eventually("a restart by liveness", func() bool { return h.first("web").Restarts == 1 })
}

func TestReplicaThatIsBeingStoppedStaysWithTheEarlierAfloat(t *testing.T) {
	c := testConfig("web", "serve")
	slow := testConfig("slow", "serve", "STUBBORN=1")
	slow.Grace = 500 * time.Millisecond
	a := supervise(t, nil, c, slow)
	a.settle()
	pid := a.first("slow").PID
	a.apply(c)
	a.eventually("it is being stopped", func() bool { return a.first("slow").Phase == PhaseStopping })
	b := passTo(t, a, c)
	b.settle()
	if len(b.Status()) != 1 {
		t.Errorf("got %+v, want the one service", b.Status())
	}
	a.stop()
	if alive(pid) || len(a.heard(EventKilled)) != 1 {
		t.Errorf("the earlier Afloat ended without stopping %d", pid)
	}
}

func TestProcessThatEndedMeanwhileIsStartedAnew(t *testing.T) {
	process := func(name string) heldReplica {
		c := testConfig(name, "serve").WithDefaults()
		return heldReplica{Service: name, ID: 3, Config: c, Ports: []int{1}, PID: os.Getpid(), Start: 1, Starts: 1}
	}
	ours, file, err := handover.Pair()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := handover.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	store := handover.NewStore()
	if err := store.Put(replicaKey+"web/3", process("web")); err != nil { // the number is another process's
		t.Fatal(err)
	}
	go func() { _ = store.SendTo(ours) }()
	in, err := handover.Receive(theirs, time.Now().Add(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	h := inherit(t, in, false, testConfig("web", "serve"))
	h.settle()
	if h.first("web").PID == os.Getpid() {
		t.Error("a process of somebody else was taken over")
	}
}

// TestKeeperHoldsWhatRunsUntilAnotherAfloatComes kills Afloat itself.
func TestKeeperHoldsWhatRunsUntilAnotherAfloatComes(t *testing.T) {
	dir := t.TempDir()
	cmd, instance, keeper := startSupervisor(t, "DIR="+dir, "ADOPT="+patience.String())
	before := strings.Join(marked(instance), " ")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	in, err := handover.Claim(dir, time.Now().Add(patience))
	if err != nil || in == nil {
		t.Fatalf("got %v, %v, want what the keeper holds", in, err)
	}
	h := newHarness(t, func(o *Options) { o.Dir = dir })
	c := testConfig("orphan", "family")
	c.Replicas = 2
	h.apply(c, testConfig("wiped", "wiped"))
	if err := h.Inherit(in, false); err != nil {
		t.Fatal(err)
	}
	h.serve()
	<-h.Serving()
	if err := in.Taken(); err != nil {
		t.Fatal(err)
	}
	h.settle()
	eventually(t, "the earlier keeper has gone", func() bool { return !alive(keeper) })
	if started := h.heard(EventStarted, EventRestarted); len(started) > 0 {
		t.Errorf("got %+v", started)
	}
	adopted := h.heard(EventAdopted)
	if len(adopted) != 3 {
		t.Errorf("got %+v, want three", adopted)
	}
	for _, e := range adopted {
		if !strings.Contains(before, fmt.Sprint(e.PID, " (", instance)) || !alive(e.PID) {
			t.Errorf("process %d is not one of those that ran: %v", e.PID, before)
		}
	}
}

func TestKeeperKillsWhenNobodyComes(t *testing.T) {
	cmd, instance, keeper := startSupervisor(t, "DIR="+t.TempDir(), "ADOPT=300ms")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	eventually(t, "all processes gone", func() bool { return len(marked(instance)) == 0 && !alive(keeper) })
}

func TestWhatAnAfloatAndItsKeeperLeftIsKilled(t *testing.T) {
	dir := t.TempDir()
	cmd, instance, keeper := startSupervisor(t, "DIR="+dir, "ADOPT="+patience.String())
	_ = syscall.Kill(keeper, syscall.SIGSTOP) // it must not see the end of Afloat
	_ = cmd.Process.Kill()
	_ = syscall.Kill(keeper, syscall.SIGKILL)
	_ = cmd.Wait()
	eventually(t, "the keeper has gone", func() bool { return !alive(keeper) })
	if len(marked(instance)) == 0 {
		t.Fatal("nothing was left")
	}
	if in, err := handover.Claim(dir, time.Now().Add(patience)); in != nil || err != nil {
		t.Fatalf("got %v, %v, want that nobody holds anything", in, err)
	}
	h := supervise(t, func(o *Options) { o.Dir = dir }, testConfig("web", "serve"))
	h.settle()
	if left := marked(instance); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if name, err := os.ReadFile(filepath.Join(dir, instanceName)); err != nil || string(name) != h.instance+"\n" {
		t.Errorf("got %q, %v", name, err)
	}
}

func TestScaleHoldsWhenAnotherTakesOver(t *testing.T) {
	c := testConfig("web", "serve")
	h := supervise(t, nil, c)
	h.settle()
	if err := h.Scale("web", 3, ""); err != nil {
		t.Fatal(err)
	}
	h.eventually("three", func() bool { return h.service("web").Ready == 3 })
	c.Grace = 4 * time.Second
	h.apply(c)
	h.settle()
	if got := h.service("web").Desired; got != 3 {
		t.Errorf("got %d after a Config that says nothing of it", got)
	}
	b := passTo(t, h, c)
	b.settle()
	if got := b.service("web").Desired; got != 3 {
		t.Errorf("got %d after another Afloat took over", got)
	}
}
