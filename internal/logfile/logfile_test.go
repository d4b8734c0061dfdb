package logfile

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// folder is where a test has its file, which is named web.log.
type folder string

func (d folder) path() string { return filepath.Join(string(d), "web.log") }

// read returns a file's content, or why there is none.
func (d folder) read(name string) string {
	text, err := os.ReadFile(filepath.Join(string(d), name))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (d folder) want(t *testing.T, files map[string]string) {
	t.Helper()
	for name, want := range files {
		if got := d.read(name); want == "" && !strings.Contains(got, "no such file") || want != "" && got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func open(t *testing.T, c Config) (*File, folder) {
	t.Helper()
	d := folder(t.TempDir())
	c.Path = d.path()
	f := New(c)
	t.Cleanup(func() { f.Close() })
	return f, d
}

func write(t *testing.T, f *File, text string) {
	t.Helper()
	if n, err := f.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("wrote %d bytes of %q: %v", n, text, err)
	}
}

// later makes a file's looks due, as if some time had passed.
func later(f *File) { f.looked = f.looked.Add(-retryAfter) }

func TestFileIsReplacedWhenItIsTooLong(t *testing.T) {
	f, d := open(t, Config{SizeMax: 10, FilesMax: 3})
	for n := range 7 {
		write(t, f, fmt.Sprintf("%d234\n", n)) // two fit
	}
	d.want(t, map[string]string{"web.log": "6234\n", "web.log.1": "4234\n5234\n", "web.log.2": "2234\n3234\n", "web.log.3": ""})
}

func TestOneFileBeginsAnew(t *testing.T) {
	f, d := open(t, Config{SizeMax: 10, FilesMax: 1})
	for n := range 3 {
		write(t, f, fmt.Sprintf("%d234\n", n))
	}
	d.want(t, map[string]string{"web.log": "2234\n", "web.log.1": ""})
}

func TestFileGoesOnWhereItEnded(t *testing.T) {
	f, d := open(t, Config{SizeMax: 10, FilesMax: 5})
	write(t, f, "before\n")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, f, "after\n")
	d.want(t, map[string]string{"web.log": "after\n", "web.log.1": "before\n"})
}

func TestOldFilesAreRemoved(t *testing.T) {
	f, d := open(t, Config{SizeMax: 10, FilesMax: 5, AgeMax: time.Hour})
	for n := range 5 {
		write(t, f, fmt.Sprintf("%d234\n", n))
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(f.numbered(2), old, old); err != nil {
		t.Fatal(err)
	}
	f.swept = f.swept.Add(-sweepAfter)
	write(t, f, "more\n")
	d.want(t, map[string]string{"web.log": "4234\nmore\n", "web.log.1": "2234\n3234\n", "web.log.2": ""})
}

func TestFileThatCannotBeReplacedGrows(t *testing.T) {
	var told []string
	f, d := open(t, Config{SizeMax: 10, FilesMax: 2, Stuck: func(err error) { told = append(told, err.Error()) }})
	if err := os.MkdirAll(filepath.Join(f.numbered(0), "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.numbered(1), []byte("before\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		write(t, f, "1234567\n")
	}
	d.want(t, map[string]string{"web.log": "1234567\n1234567\n1234567\n", "web.log.1": "before\n"})
	f.stuck = f.stuck.Add(-retryAfter)
	write(t, f, "1234567\n")
	if len(told) != 1 || !strings.Contains(told[0], d.path()) {
		t.Errorf("told %q", told)
	}
	if err := os.RemoveAll(f.numbered(0)); err != nil {
		t.Fatal(err)
	}
	f.stuck = f.stuck.Add(-retryAfter)
	write(t, f, "1234567\n")
	d.want(t, map[string]string{"web.log": "1234567\n", "web.log.1": "1234567\n1234567\n1234567\n1234567\n", "web.log.2": ""})
}

func TestConfigChanges(t *testing.T) {
	f, d := open(t, Config{SizeMax: 10, FilesMax: 2})
	write(t, f, "1234567\n")
	f.SetConfig(Config{Path: "elsewhere", SizeMax: 100, FilesMax: 2})
	write(t, f, "89\n")
	d.want(t, map[string]string{"web.log": "1234567\n89\n", "web.log.1": ""})
}

func TestFileThatCannotBeOpenedHeals(t *testing.T) {
	f, d := open(t, Config{SizeMax: 10, FilesMax: 5})
	if err := os.Mkdir(d.path(), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second one does not try, and says the same
		if _, err := f.Write([]byte("lost\n")); !errors.Is(err, syscall.EISDIR) || !strings.Contains(err.Error(), d.path()) {
			t.Fatalf("got %v", err)
		}
		if err := os.RemoveAll(d.path()); err != nil {
			t.Fatal(err)
		}
	}
	later(f)
	write(t, f, "kept\n")
	d.want(t, map[string]string{"web.log": "kept\n"})
}

// What rotates files from outside needs no signal: neither where it renames
// them, nor where it copies and shortens them.
func TestSomethingElseRotates(t *testing.T) {
	f, d := open(t, Config{SizeMax: 10, FilesMax: 5})
	write(t, f, "12345678\n")
	if err := os.Rename(d.path(), d.path()+".moved"); err != nil {
		t.Fatal(err)
	}
	later(f)
	write(t, f, "moved\n")
	d.want(t, map[string]string{"web.log.moved": "12345678\n", "web.log": "moved\n"})

	if err := os.Truncate(d.path(), 0); err != nil {
		t.Fatal(err)
	}
	later(f)
	write(t, f, "short\n")
	d.want(t, map[string]string{"web.log": "short\n", "web.log.1": ""})

	if err := os.Remove(d.path()); err != nil {
		t.Fatal(err)
	}
	later(f)
	write(t, f, "removed\n")
	d.want(t, map[string]string{"web.log": "removed\n", "web.log.1": ""})
}

// Two processes have the same file while one takes over from the other: what
// the first has replaced is not replaced again by the second.
func TestTwoReplaceItOnce(t *testing.T) {
	f, d := open(t, Config{SizeMax: 10, FilesMax: 5})
	g := New(Config{Path: d.path(), SizeMax: 10, FilesMax: 5})
	defer g.Close()
	write(t, f, "1234\n")
	write(t, g, "678\n")
	write(t, g, "9\n") // replaces it
	write(t, f, "12345\n")
	d.want(t, map[string]string{"web.log.1": "1234\n678\n", "web.log": "9\n12345\n", "web.log.2": ""})
}

// A link to standard output must not be renamed, whatever is written to it.
func TestWhatIsNoFileIsNotReplaced(t *testing.T) {
	f, d := open(t, Config{SizeMax: 10, FilesMax: 5})
	if err := os.WriteFile(string(d)+"/target", nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("target", d.path()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		write(t, f, "1234567\n")
		later(f)
	}
	if to, err := os.Readlink(d.path()); to != "target" {
		t.Errorf("the link leads to %q: %v", to, err)
	}
	d.want(t, map[string]string{"target": "1234567\n1234567\n1234567\n", "web.log.1": ""})
}

// On a full disk a line may be cut. Those behind it are whole.
func TestCutLineIsEnded(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	f, d := open(t, Config{SizeMax: 100, FilesMax: 2})
	write(t, f, "whole\n")

	var usual syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &usual); err != nil {
		t.Fatal(err)
	}
	full := usual
	full.Cur = 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		t.Fatal(err)
	}
	n, err := f.Write([]byte("half of a line\n"))
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &usual); err != nil {
		t.Fatal(err)
	}
	if n != 4 || !errors.Is(err, syscall.EFBIG) {
		t.Fatalf("wrote %d bytes: %v", n, err)
	}
	write(t, f, "whole again\n")
	d.want(t, map[string]string{"web.log": "whole\nhalf\nwhole again\n"})
}

func TestLineThatWasCutBeforeIsEnded(t *testing.T) {
	f, d := open(t, Config{SizeMax: 100, FilesMax: 1})
	if err := os.WriteFile(d.path(), []byte("half"), 0o640); err != nil {
		t.Fatal(err)
	}
	write(t, f, "whole\n")
	d.want(t, map[string]string{"web.log": "half\nwhole\n"})

	f.torn = true
	if err := os.Truncate(d.path(), 0); err != nil {
		t.Fatal(err)
	}
	later(f)
	write(t, f, "new\n")
	d.want(t, map[string]string{"web.log": "new\n"})
}
