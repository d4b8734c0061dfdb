package supervise

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"testing/synctest"
	"time"
)

func TestLostLinesAreTold(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "web.log")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	c := *(&LogConfig{Path: "web.log"}).withDefaults()
	synctest.Test(t, func(t *testing.T) {
		files := logFiles{files: map[string]*sharedLog{}}
		l, done := files.use(Config{Dir: dir, Log: &c})
		defer done()
		l.write([]byte("lost\n"))
		l.write([]byte("lost too\n"))
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		l.write([]byte("kept\n"))
		l.write([]byte("kept too\n"))
	})
	want := "afloat: 2 lines could not be written before this one\nkept\nkept too\n"
	if got, err := os.ReadFile(path); string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestReplicasShareALog(t *testing.T) {
	for _, plain := range []bool{false, true} {
		c := testConfig("say", "say")
		c.Ports, c.Restart.Policy, c.Replicas, c.Dir = nil, RestartNever, 2, t.TempDir()
		c.Command, c.Log = []string{"sh", "-c", "echo out; echo err >&2"}, &LogConfig{Path: "say.log", Plain: plain}
		h := supervise(t, nil, c)
		h.eventually("stopped", func() bool { return len(h.heard(EventStopped)) == 2 })
		h.stop()
		text, err := os.ReadFile(filepath.Join(c.Dir, "say.log"))
		if err != nil || h.text() != "" {
			t.Fatalf("got %q, %v, and %q elsewhere", text, err, h.text())
		}
		line := `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z say/[12] \| (out|err)\n`
		if plain {
			line = `(out|err)\n`
		}
		if !regexp.MustCompile(`^(` + line + `){4}$`).Match(text) {
			t.Errorf("got %q", text)
		}
	}
}

func TestBytesAreReadAndWritten(t *testing.T) {
	for text, want := range map[string]Bytes{"0": 0, "1": 1, "512Mi": 512 << 20, "1.5GiB": 3 << 29, "2k": 2000, "1M": 1e6, "10MB": 1e7, "2Ti": 2 << 40} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%s: got %d, %v", text, b, err)
		}
		var again Bytes
		if err := again.UnmarshalText([]byte(b.String())); err != nil || again != b {
			t.Errorf("%s: written as %s, read as %d, %v", text, b, again, err)
		}
	}
	for _, text := range []string{"", "x", "-1", "1KB i", "1e30", "NaN", "Mi"} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: got %d", text, b)
		}
	}
}
