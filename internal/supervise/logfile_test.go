package supervise

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// logOf is a log file in a folder of the test.
func logOf(t *testing.T, c LogConfig) (l *logFile, read func(name string) string) {
	t.Helper()
	dir := t.TempDir()
	c.Path = "web.log"
	l = newLogFile(*c.withDefaults(), dir)
	t.Cleanup(l.close)
	return l, func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
}

func TestLogIsReplacedWhenItIsTooLong(t *testing.T) {
	l, read := logOf(t, LogConfig{SizeMax: 10, FilesMax: 3})
	for n := range 7 {
		l.write(fmt.Appendf(nil, "%d234\n", n)) // two fit
	}
	for name, want := range map[string]string{"web.log": "6234\n", "web.log.1": "4234\n5234\n", "web.log.2": "2234\n3234\n"} {
		if got := read(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := read("web.log.3"); !strings.Contains(got, "no such file") {
		t.Errorf("got a fourth file: %q", got)
	}
}

func TestLogOfOneFileBeginsAnew(t *testing.T) {
	l, read := logOf(t, LogConfig{SizeMax: 10, FilesMax: 1})
	for n := range 3 {
		l.write(fmt.Appendf(nil, "%d234\n", n))
	}
	if got := read("web.log"); got != "2234\n" {
		t.Errorf("got %q", got)
	}
}

func TestLogGoesOnWhereItEnded(t *testing.T) {
	l, read := logOf(t, LogConfig{SizeMax: 10})
	l.write([]byte("before\n"))
	l.close()
	l.write([]byte("after\n"))
	if read("web.log") != "after\n" || read("web.log.1") != "before\n" {
		t.Errorf("got %q and %q: what was there counts", read("web.log"), read("web.log.1"))
	}
}

func TestOldLogsAreRemoved(t *testing.T) {
	l, read := logOf(t, LogConfig{SizeMax: 10, AgeMax: time.Hour})
	for n := range 5 {
		l.write(fmt.Appendf(nil, "%d234\n", n))
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(l.numbered(2), old, old); err != nil {
		t.Fatal(err)
	}
	l.sweep(time.Now())
	if read("web.log.1") != "2234\n3234\n" || !strings.Contains(read("web.log.2"), "no such file") {
		t.Errorf("got %q and %q", read("web.log.1"), read("web.log.2"))
	}
}

func TestLogThatCannotBeWrittenLosesLinesAndHeals(t *testing.T) {
	l, read := logOf(t, LogConfig{})
	if err := os.Mkdir(l.path, 0o755); err != nil {
		t.Fatal(err)
	}
	l.write([]byte("lost\n"))
	l.write([]byte("lost too\n"))
	if err := os.Remove(l.path); err != nil {
		t.Fatal(err)
	}
	l.tried = time.Time{} // as if some time had passed
	l.write([]byte("kept\n"))
	if got := read("web.log"); got != "afloat: 2 lines could not be written before this one\nkept\n" {
		t.Errorf("got %q", got)
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
