package supervise

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// groupsHere skips a test where no control groups can be made, or not with these controllers.
func groupsHere(t *testing.T, controllers ...string) {
	t.Helper()
	g := openGroups("test")
	defer removeGroups("test")
	if g.dir == "" {
		t.Skip("no control groups: " + g.why)
	}
	for _, name := range controllers {
		if why := g.lacks(name); why != "" {
			t.Skip(why)
		}
	}
}

// sleeping are the processes that the mode "daemon" leaves.
func sleeping() (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil && bytes.Equal(text, []byte("sleep\x0061.5\x00")) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestDaemonThatLeftEverythingBehindDiesWithItsReplica(t *testing.T) {
	groupsHere(t)
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip(err)
	}
	h := supervise(t, nil, testConfig("web", "daemon"))
	h.settle()
	var daemon int
	h.eventually("a daemon", func() bool {
		for _, pid := range sleeping() {
			daemon = pid
		}
		return daemon != 0
	})
	if err := syscall.Kill(h.first("web").PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.eventually("the daemon is gone", func() bool { return !alive(daemon) })
	h.settle()
	dir := h.runner.groups().dir
	h.stop()
	if left := sleeping(); len(left) > 0 {
		t.Errorf("daemons are left: %v", left)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("the control group %s is left", dir)
	}
}

func TestDaemonThatLeftEverythingBehindDiesWithAfloat(t *testing.T) {
	groupsHere(t)
	cmd, instance, keeper := startSupervisor(t, "MODE=daemon")
	if len(sleeping()) == 0 {
		t.Fatal("no daemon")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	eventually(t, "all processes gone", func() bool { return len(marked(instance)) == 0 && !alive(keeper) && len(sleeping()) == 0 })
}

func TestLimitThatCannotBeKeptIsWarnedAboutOrRefused(t *testing.T) {
	own, err := ownGroup()
	if err == nil && len(words(filepath.Join(own, "cgroup.controllers"))) >= len(wantedControllers) {
		t.Skip("this machine keeps all of them")
	}
	c := testConfig("web", "serve")
	c.Limits = LimitsConfig{CPU: 1, Memory: 1 << 30, Pids: 1000}
	if got := c.Unkept(); len(got) == 0 || !strings.Contains(got[0].Error(), "limits.cpu: cannot be kept: ") {
		t.Errorf("got %v", got)
	}
	h := supervise(t, nil, c)
	h.settle() // it runs without them
	strict := supervise(t, func(o *Options) { o.Limits = LimitsRequire }, c)
	strict.eventually("a refusal", func() bool { return strings.Contains(strict.first("web").LastExit, "limits.memory: cannot be kept: ") })
	if started := strict.heard(EventStarted); len(started) > 0 {
		t.Errorf("got %+v", started)
	}
	c.Limits = LimitsConfig{}
	strict.apply(c)
	strict.settle()
}

func TestReplicaOverItsMemoryIsKilledAndTellsWhy(t *testing.T) {
	groupsHere(t, "memory")
	c := testConfig("hog", "eat")
	c.Ports, c.Limits.Memory = nil, 64<<20
	h := supervise(t, func(o *Options) { o.Limits = LimitsRequire }, c)
	h.eventually("a restart", func() bool { return h.first("hog").Restarts > 0 })
	if got, want := h.first("hog").LastExit, "killed by SIGKILL: out of memory, over the limit of 64Mi"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReplicaOverItsCPUIsSlowedDown(t *testing.T) {
	groupsHere(t, "cpu")
	c := testConfig("web", "spin")
	c.Limits.CPU, c.Requests.CPU = 0.2, 0.1
	h := supervise(t, func(o *Options) { o.Limits = LimitsRequire }, c)
	h.settle()
	dir := h.first("web")
	group := h.Supervisor.services["web"].find(dir.ID).life.group
	h.eventually("throttling", func() bool {
		text, _ := os.ReadFile(filepath.Join(group.dir, "cpu.stat"))
		_, rest, _ := strings.Cut(string(text), "nr_throttled ")
		n, _, _ := strings.Cut(rest, "\n")
		throttled, _ := strconv.Atoi(n)
		return throttled > 5
	})
	if got := words(filepath.Join(group.dir, "cpu.weight")); len(got) != 1 || got[0] != strconv.Itoa(weight(0.1)) {
		t.Errorf("got a weight of %v", got)
	}
}

func TestReplicaStartsNoMoreProcessesThanItMay(t *testing.T) {
	groupsHere(t, "pids")
	c := testConfig("many", "say")
	c.Ports, c.Restart.Policy, c.Limits.Pids = nil, RestartNever, 3
	c.Command = []string{"sh", "-c", "for i in 1 2 3 4 5; do sleep 1 & done; wait"}
	h := supervise(t, func(o *Options) { o.Limits = LimitsRequire }, c)
	h.eventually("a refusal", func() bool { return strings.Contains(strings.ToLower(h.text()), "fork") })
}

func TestWeightIsThatOfTheKubelet(t *testing.T) {
	for cores, want := range map[Cores]int{0.002: 1, 0.1: 4, 1: 39, 2: 79, 256: 10000, 1000: 10000} {
		if got := weight(cores); got != want {
			t.Errorf("%v: got %d, want %d", cores, got, want)
		}
	}
}

func TestCoresAreRead(t *testing.T) {
	for text, want := range map[string]Cores{"0": 0, "2": 2, "0.5": 0.5, "500m": 0.5, "1500m": 1.5} {
		var c Cores
		if err := c.UnmarshalText([]byte(text)); err != nil || c != want {
			t.Errorf("%s: got %v, %v", text, c, err)
		}
	}
	for _, text := range []string{"", "m", "-1", "NaN", "1Gi", "5000"} {
		var c Cores
		if err := c.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: got %v", text, c)
		}
	}
}
