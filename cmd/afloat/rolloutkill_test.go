package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/control/rollout"
	"github.com/afloat-dev/afloat/internal/freeport"
)

// killed is an Afloat that is killed in the middle of a release.
type killed struct {
	t             *testing.T
	dir           string
	listen, admin string
	program       *exec.Cmd
	mark          string
	adopted       bool // the next Afloat takes over what the killed one ran
}

// TestKilledAfloatGoesOnWithItsRelease kills Afloat with SIGKILL in each phase of
// a release, and starts it again: the next one takes over what ran, or finds
// nothing left of it.
func TestKilledAfloatGoesOnWithItsRelease(t *testing.T) {
	stepped := []rollout.Phase{rollout.PhaseBefore, rollout.PhaseStarting, rollout.PhaseStepping, rollout.PhaseAfter, rollout.PhaseKeeping,
		rollout.PhaseRetiring, rollout.PhaseAborting}
	phases := map[rollout.Strategy][]rollout.Phase{
		rollout.Rolling:   {rollout.PhaseBefore, rollout.PhaseRolling, rollout.PhaseAfter, rollout.PhaseAborting},
		rollout.BlueGreen: stepped, // all of its replicas run before the switch: it is promoted in no time
		rollout.Canary:    append(stepped, rollout.PhasePromoting),
	}
	if testing.Short() {
		phases = map[rollout.Strategy][]rollout.Phase{rollout.Canary: {rollout.PhaseStepping, rollout.PhaseAborting}}
	}
	for strategy, all := range phases {
		for _, phase := range all {
			t.Run(fmt.Sprint(strategy, " ", phase), func(t *testing.T) {
				t.Parallel()
				killIn(t, strategy, phase, true)
			})
		}
	}
	for strategy, phase := range map[rollout.Strategy]rollout.Phase{
		rollout.Rolling: rollout.PhaseRolling, rollout.Canary: rollout.PhaseAborting, rollout.BlueGreen: rollout.PhaseKeeping,
	} {
		t.Run(fmt.Sprint(strategy, " ", phase, " without adoption"), func(t *testing.T) {
			t.Parallel()
			killIn(t, strategy, phase, false)
		})
	}
}

func killIn(t *testing.T, strategy rollout.Strategy, phase rollout.Phase, adopted bool) {
	var closed atomic.Bool // the way on, for phases in which hooks are asked
	closed.Store(phase == rollout.PhaseBefore || phase == rollout.PhaseAfter)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if closed.Load() && r.URL.Path == "/"+string(phase) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer hook.Close()
	k := &killed{t: t, dir: t.TempDir(), listen: freeport.Address(t), admin: freeport.Address(t), mark: "AFLOAT_TEST_KILLED=" + t.Name(), adopted: adopted}
	t.Cleanup(k.end)
	k.write(strategy, hook.URL)
	k.start()
	k.until("the first version serves", func() bool { return k.version() == "v1" })
	k.verb("start", "web", "--set", "env.RELEASE=v2")
	if phase == rollout.PhaseAborting {
		k.until("it is under way", func() bool { p := k.phase(); return p == rollout.PhaseStepping || p == rollout.PhaseRolling })
		k.verb("abort", "web")
	}
	k.until(string("it is "+phase), func() bool { return k.pushed(phase) })

	want, version := rollout.PhaseComplete, "v2"
	if phase == rollout.PhaseAborting {
		want, version = rollout.PhaseAborted, "v1"
	}
	_ = k.program.Process.Kill()
	_ = k.program.Wait()
	var before []string
	if !adopted {
		k.until("nothing is left of it", func() bool { return len(k.processes()) == 0 })
	} else if strategy != rollout.Rolling || phase != rollout.PhaseAborting { // which stops replicas of both
		before = slices.DeleteFunc(k.replicas(version), func(process string) bool { return !k.told(process) })
	}
	k.start()
	closed.Store(false)
	k.until("the release ends as it was to", func() bool { return k.pushed(want) })
	k.until("it serves again", func() bool { return k.version() != "" })
	for range 20 {
		if got := k.version(); got != version {
			t.Fatalf("users get %q, want %q", got, version)
		}
	}
	k.until("three replicas run, and nothing else", func() bool { return len(k.processes()) == 3 })
	for _, replica := range before {
		if now := k.replicas(version); !slices.Contains(now, replica) {
			t.Errorf("%s was not taken over: %v", replica, now)
		}
	}
}

// write writes the file. Replicas take a moment to start and to end, so that each
// phase lasts.
func (k *killed) write(strategy rollout.Strategy, hook string) {
	name, value, _ := strings.Cut(k.mark, "=")
	steps := map[rollout.Strategy]string{
		rollout.Rolling:   "",
		rollout.Canary:    "unjudged: true\n      keep: 1h\n      steps: [{weight: 20%, gate: true}]",
		rollout.BlueGreen: "keep: 1h\n      steps: [{gate: true}]",
	}[strategy]
	adopt := "0s"
	if k.adopted {
		adopt = "1m"
	}
	text := fmt.Sprintf(`
listen: %s
admin: {address: "%s"}
supervisor: {adopt: %s}
services:
  web:
    process:
      command: [sh, -c, 'sleep 1; exec %s sample -service-time 1ms -workers 100 -version $RELEASE']
      env: {RELEASE: v1, %s: %q}
      replicas: 3
      rolling: {maxSurge: 1, maxUnavailable: 0, minReady: 100ms}
      preStop: {command: [sleep, "1.5"]}
    release:
      strategy: %s
      %s
      hooks:
      - {at: before, url: %s/before, interval: 50ms, failuresMax: 100000}
      - {at: after, url: %s/after, interval: 50ms, failuresMax: 100000}
`, k.listen, k.admin, adopt, filepath.Join(programs, "afloat"), name, value, strategy, steps, hook, hook)
	if err := os.WriteFile(filepath.Join(k.dir, "afloat.yaml"), []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
}

func (k *killed) start() {
	log, err := os.OpenFile(filepath.Join(k.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		k.t.Fatal(err)
	}
	defer log.Close()
	k.program = exec.Command(filepath.Join(programs, "afloat"), "run", "-f", "afloat.yaml")
	k.program.Dir, k.program.Stdout, k.program.Stderr = k.dir, log, log
	if err := k.program.Start(); err != nil {
		k.t.Fatal(err)
	}
}

func (k *killed) end() {
	_ = k.program.Process.Signal(syscall.SIGTERM)
	_ = k.program.Wait()
	if k.t.Failed() {
		log, _ := os.ReadFile(filepath.Join(k.dir, "log"))
		k.t.Logf("%s", log)
	}
}

func (k *killed) until(what string, ok func() bool) {
	k.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	k.t.Fatalf("not within %v: %s; it is %s", patience, what, k.phase())
}

func (k *killed) verb(args ...string) {
	k.t.Helper()
	c := exec.Command(filepath.Join(programs, "afloat"), append([]string{"rollout", args[0], "--admin", k.admin}, args[1:]...)...)
	if out, err := c.CombinedOutput(); err != nil {
		k.t.Fatalf("%v: %s", err, out)
	}
}

// version is the one that a user gets; empty where none answers.
func (k *killed) version() string {
	res, err := http.Get("http://" + k.listen + "/")
	if err != nil {
		return ""
	}
	res.Body.Close()
	return res.Header.Get("X-Version")
}

// phase is that of the release; empty where it cannot be asked.
func (k *killed) phase() rollout.Phase {
	res, err := http.Get("http://" + k.admin + "/api/v1/releases/web")
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	var st rollout.Status
	if json.NewDecoder(res.Body).Decode(&st) != nil || st.Release == nil {
		return ""
	}
	return st.Release.Phase
}

// pushed reports whether the release is in a phase, and lets it pass the earlier
// ones in which it waits for a person.
func (k *killed) pushed(want rollout.Phase) bool {
	p := k.phase()
	if p != want && (p == rollout.PhaseStepping || p == rollout.PhaseKeeping) {
		req, _ := http.NewRequest(http.MethodPut, "http://"+k.admin+"/api/v1/releases/web?do=promote", nil)
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
		}
	}
	return p == want
}

// processes are all that run, of whichever Afloat.
func (k *killed) processes() []string { return k.having("") }

// replicas are the processes of a version's replicas, without what these run.
func (k *killed) replicas(version string) []string {
	return slices.DeleteFunc(k.having("RELEASE="+version), func(process string) bool {
		command, _ := os.ReadFile(filepath.Join(process, "cmdline"))
		return !strings.Contains(string(command), "sample")
	})
}

// told reports whether Afloat had said that it runs a process. One that it had
// only just begun when it was killed nobody takes over, and its keeper ends.
func (k *killed) told(process string) bool {
	log, err := os.ReadFile(filepath.Join(k.dir, "log"))
	if err != nil {
		k.t.Fatal(err)
	}
	return strings.Contains(string(log), "pid="+filepath.Base(process)+" ")
}

// having are the processes that have a variable, if one is named.
func (k *killed) having(variable string) (found []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		text, err := os.ReadFile(file)
		all := strings.Split(string(text), "\x00")
		if err == nil && slices.Contains(all, k.mark) && (variable == "" || slices.Contains(all, variable)) {
			found = append(found, filepath.Dir(file))
		}
	}
	return found
}
