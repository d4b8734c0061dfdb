package afloat_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tried is a package whose tests know whether they have been run before.
const tried = `package tried

import (
	"os"
	"testing"
)

func before(t *testing.T) bool {
	_, err := os.Stat(t.Name())
	if err := os.WriteFile(t.Name(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return err == nil
}

func TestSteady(t *testing.T) {}

`

// TestReportExcusesOnlyWhatPassesAlone holds that a failed test passes as
// unsteady, and named, when it passes the second time, and that all else fails.
func TestReportExcusesOnlyWhatPassesAlone(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "report")
	if out, err := exec.Command("go", "build", "-o", program, ".ci/testreport.go").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, c := range []struct {
		name, tests string
		passes      bool
		says        string
	}{
		{"all pass", "", true, "1 passed, 0 failed, 0 skipped, 0 unsteady in 1 packages"},
		{"passes alone", `func TestOnce(t *testing.T) { if !before(t) { t.Error("busy") } }`, true,
			"unsteady github.com/afloat-dev/afloat/tried TestOnce: it failed, and passed when it was run again"},
		{"a part passes alone", `func TestOnce(t *testing.T) { again := before(t); t.Run("part", func(t *testing.T) { if !again { t.Error("busy") } }) }`, true, "2 passed, 0 failed, 0 skipped, 1 unsteady"},
		{"fails again", `func TestTwice(t *testing.T) { t.Error("wrong") }`, false, "1 passed, 1 failed, 0 skipped, 0 unsteady"},
		{"one of two fails again", `func TestOnce(t *testing.T) { if !before(t) { t.Error("busy") } }
func TestTwice(t *testing.T) { t.Error("wrong") }`, false, "1 passed, 2 failed, 0 skipped, 0 unsteady"},
		{"panics once", `func TestPanics(t *testing.T) { if !before(t) { panic("wrong") } }`, false, "panic: wrong"},
		{"exits after another has failed", `func TestOnce(t *testing.T) { if !before(t) { t.Error("busy") } }
func TestThenExits(t *testing.T) { if !before(t) { t.Log("on its way"); os.Exit(3) } }
func TestNever(t *testing.T) { t.Error("wrong") }`, false, "on its way"},
		{"exits", `func TestExits(t *testing.T) { t.Log("on its way"); os.Exit(3) }`, false, "on its way"},
		{"too many", `func once(t *testing.T) { if !before(t) { t.Error("busy") } }
func TestA(t *testing.T) { once(t) }
func TestB(t *testing.T) { once(t) }
func TestC(t *testing.T) { once(t) }
func TestD(t *testing.T) { once(t) }
func TestE(t *testing.T) { once(t) }
func TestF(t *testing.T) { once(t) }`, false, "1 passed, 6 failed"},
		{"does not build", `func TestUnbuilt(t *testing.T) { missing() }`, false, "undefined: missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, text := range map[string]string{"go.mod": "module github.com/afloat-dev/afloat\n\ngo 1.26\n", "tried/tried_test.go": tried + c.tests} {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			test := exec.Command("sh", "-c", `go test -json ./... | "$0"`, program)
			test.Dir = dir
			out, err := test.CombinedOutput()
			if (err == nil) != c.passes || !strings.Contains(string(out), c.says) {
				t.Errorf("got %v, want that it passes: %v, and says %q\n%s", err, c.passes, c.says, out)
			}
		})
	}
}
