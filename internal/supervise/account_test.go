package supervise

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReplicaRunsAsItsUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may change the user")
	}
	c := testConfig("who", "say")
	c.Ports, c.Restart.Policy = nil, RestartNever
	c.Command, c.User, c.Dir = []string{"sh", "-c", "id -u; id -un; id -gn; echo $HOME $USER"}, "daemon", "/"
	h := supervise(t, nil, c)
	h.eventually("stopped", func() bool { return len(h.heard(EventStopped)) == 1 })
	h.stop()
	want := "who/1 | 1\nwho/1 | daemon\nwho/1 | daemon\nwho/1 | /usr/sbin daemon\n"
	if got := h.text(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAccountsAreFoundOrRefusedByName(t *testing.T) {
	for _, test := range []struct{ user, group, want string }{
		{"no-such-user", "", "there is no user no-such-user on this machine"},
		{"", "no-such-group", "there is no group no-such-group on this machine"},
		{"0", "", ""},
		{"root", "root", ""},
	} {
		if _, err := findAccount(test.user, test.group); os.Getuid() == 0 && reason(err) != test.want {
			t.Errorf("%s:%s: got %v, want %q", test.user, test.group, err, test.want)
		}
	}
	if os.Getuid() != 0 {
		return
	}
	if a, err := findAccount("54321", "12"); err != nil || a.credential.Uid != 54321 || a.credential.Gid != 12 {
		t.Errorf("got %+v, %v for a number without an entry", a.credential, err)
	}
}

func TestVariablesOfFilesAreReadAtEachStart(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.env", "# comment\nONE=1\nexport TWO='2 two'\nTHREE=\"x\"\n\nFOUR=a=b\n")
	write("b.env", "ONE=one\nFIVE=5\n")
	c := testConfig("say", "say", "FIVE=five $(ONE)")
	c.Ports, c.Restart.Policy, c.Dir = nil, RestartNever, dir
	c.Command, c.EnvFiles = []string{"sh", "-c", `echo "$ONE,$TWO,$THREE,$FOUR,$FIVE"`}, []string{"a.env", filepath.Join(dir, "b.env")}
	h := supervise(t, nil, c)
	h.eventually("stopped", func() bool { return len(h.heard(EventStopped)) == 1 })
	h.stop()
	if got, want := h.text(), "say/1 | one,2 two,x,a=b,five one\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFileOfVariablesThatIsWrongStartsNothingAndHeals(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	c := testConfig("web", "serve")
	c.EnvFiles = []string{file}
	h := supervise(t, nil, c)
	h.eventually("some tries", func() bool { return len(h.heard(EventExited)) >= 2 })
	if got := h.first("web").LastExit; !strings.Contains(got, "no such file") {
		t.Errorf("got %q", got)
	}
	for text, want := range map[string]string{"secret": ":1: want NAME=VALUE", "A=1\nPORT=secret": `:2: "PORT" is not the name`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		problems := c.Check()
		if len(problems) != 1 || !strings.Contains(problems[0].Error(), want) || strings.Contains(problems[0].Error(), "secret") {
			t.Errorf("got %v, want %s without the value", problems, want)
		}
	}
	if err := os.WriteFile(file, []byte("A=1"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.settle()
}

func TestPreStopAsksTheReplica(t *testing.T) {
	c := testConfig("web", "serve")
	c.PreStop = &PreStopConfig{HTTP: &HTTPProbe{Path: "/exit?code=7"}}
	h := supervise(t, nil, c)
	h.settle()
	h.stop()
	if exited := h.heard(EventExited); len(exited) != 1 || exited[0].Why != "exited with status 7" {
		t.Errorf("got %+v, want the status that preStop asked for", exited)
	}
}

// TestPreStopSleepLetsTheReplicaServeOn is for those who learn late that a replica
// is leaving: it has left the endpoints, and still answers until the time is over.
func TestPreStopSleepLetsTheReplicaServeOn(t *testing.T) {
	c := testConfig("web", "serve")
	c.PreStop, c.Grace = &PreStopConfig{Sleep: 3 * time.Second}, 30*time.Second
	h := supervise(t, nil, c)
	h.settle()
	addr := h.ready("web")[0].Addr
	began := time.Now()
	h.apply()
	h.eventually("it has left", func() bool { return len(h.ready("web")) == 0 })
	if res, err := http.Get("http://" + addr + "/"); err != nil {
		t.Errorf("it does not answer any more: %v", err)
	} else {
		res.Body.Close()
	}
	h.eventually("it has ended", func() bool { return len(h.heard(EventExited)) == 1 })
	if took := time.Since(began); took < c.PreStop.Sleep {
		t.Errorf("it ended after %v", took)
	}
	if killed := h.heard(EventKilled); len(killed) > 0 {
		t.Errorf("it was killed: %+v", killed)
	}
}

func TestNoNewPrivilegesAreGiven(t *testing.T) {
	for _, kept := range []bool{false, true} {
		c := testConfig("say", "say")
		c.Ports, c.Restart.Policy, c.NoNewPrivileges = nil, RestartNever, kept
		c.Command = []string{"grep", "NoNewPrivs", "/proc/self/status"}
		h := supervise(t, nil, c)
		h.eventually("stopped", func() bool { return len(h.heard(EventStopped)) == 1 })
		h.stop()
		if got, want := h.text(), map[bool]string{false: "0", true: "1"}[kept]; !strings.HasSuffix(strings.TrimSpace(got), want) {
			t.Errorf("with %v: got %q", kept, got)
		}
	}
}
