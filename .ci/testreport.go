// Testreport reads what `go test -json` writes. It prints a line for each
// package as it ends, all that failed tests said, and at the end how many
// passed, failed and were skipped. It exits 1 when anything failed.
//
// Tests start real processes on a machine that may be busy with others, so a
// few that failed are run once more, one at a time, with the flags that are
// given. What then passes is counted as unsteady and named, for somebody to
// mend. A race, a panic or a package that ended otherwise is never excused.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
)

const (
	module      = "github.com/afloat-dev/afloat"
	unsteadyMax = 5 // more than so many failures are no accident
)

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output and build-fail
	Test       string
	Elapsed    float64
	Output     string
}

// report counts tests, and keeps what they say until they have passed.
type report struct {
	passed, failed, skipped int
	packages                int
	broken                  int // packages that did not build or ended outside a test
	said                    map[string]*strings.Builder
	passedIn                map[string]*strings.Builder // what the passed tests of a package said
	failedIn                map[string]bool
	skips                   []string
	failures                []failure       // of whole tests, not of their parts
	fatalPart               map[string]bool // tests a part of which raced or panicked
}

// failure is a test that failed.
type failure struct {
	pkg, test string
	fatal     bool // a race or a panic
}

func newReport() report {
	return report{said: map[string]*strings.Builder{}, passedIn: map[string]*strings.Builder{}, failedIn: map[string]bool{}, fatalPart: map[string]bool{}}
}

func main() {
	r := newReport()
	r.read(os.Stdin)
	unsteady := r.again(os.Args[1:])
	for _, s := range r.skips {
		fmt.Println("skipped", s)
	}
	if r.packages == 0 {
		fmt.Println("no package was tested")
		r.broken++
	}
	for _, f := range unsteady {
		fmt.Printf("unsteady %s %s: it failed, and passed when it was run again\n", f.pkg, f.test)
	}
	fmt.Printf("%d passed, %d failed, %d skipped, %d unsteady in %d packages\n", r.passed, r.failed+r.broken, r.skipped, len(unsteady), r.packages)
	if r.failed+r.broken > 0 {
		os.Exit(1)
	}
}

func (r *report) read(from io.Reader) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Println(lines.Text()) // go's own words, such as about a module
			continue
		}
		r.take(e)
	}
	if err := lines.Err(); err != nil {
		fmt.Println("read the results:", err)
		r.broken++
	}
}

// again runs the tests that failed once more, and returns those that passed. Where one fails again, or there is what no
// second run excuses, everything counts as it was.
func (r *report) again(flags []string) []failure {
	if r.broken > 0 || len(r.failures) > unsteadyMax || slices.ContainsFunc(r.failures, func(f failure) bool { return f.fatal }) {
		return nil
	}
	for _, f := range r.failures {
		fmt.Printf("\n== once more: %s %s\n", f.pkg, f.test)
		args := append([]string{"test", "-json", "-count=1", "-timeout", "20m", "-run", "^" + f.test + "$"}, flags...)
		run := exec.Command("go", append(args, ".")...)
		run.Dir, run.Stderr = path.Join(".", strings.TrimPrefix(f.pkg, module)), os.Stdout
		said, err := run.StdoutPipe()
		if err == nil {
			err = run.Start()
		}
		if err != nil {
			fmt.Println(err)
			return nil
		}
		second := newReport()
		second.read(said)
		if err := run.Wait(); err != nil || second.passed == 0 || second.failed+second.broken > 0 {
			return nil
		}
	}
	r.failed = 0
	r.passed += len(r.failures)
	return r.failures
}

func (r *report) take(e event) {
	id := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Print(e.Output)
	case "output":
		if r.said[id] == nil {
			r.said[id] = new(strings.Builder)
		}
		r.said[id].WriteString(e.Output)
		return
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e, id)
		} else {
			r.endTest(e, id)
		}
		delete(r.said, id)
	}
}

func (r *report) endTest(e event, id string) {
	switch e.Action {
	case "pass":
		r.passed++
		// A race or panic between two tests is reported as the words of the first.
		if r.passedIn[e.Package] == nil {
			r.passedIn[e.Package] = new(strings.Builder)
		}
		r.passedIn[e.Package].WriteString(r.text(id))
	case "skip":
		r.skipped++
		r.skips = append(r.skips, id+": "+reason(r.text(id)))
	case "fail":
		r.failed++
		r.failedIn[e.Package] = true
		said := r.text(id)
		fmt.Printf("FAIL %s\n%s", id, said)
		if whole, _, part := strings.Cut(e.Test, "/"); !part {
			r.failures = append(r.failures, failure{e.Package, whole, fatal(said) || r.fatalPart[id]})
		} else if fatal(said) {
			r.fatalPart[e.Package+" "+whole] = true
		}
	}
}

func (r *report) endPackage(e event, id string) {
	switch e.Action {
	case "pass":
		r.packages++
		fmt.Printf("ok   %s %.1fs\n", e.Package, e.Elapsed)
	case "fail":
		r.packages++
		// A package that did not come to the end of its tests, or that raced between two of them, is broken whatever
		// else failed in it.
		passed := ""
		if said := r.passedIn[e.Package]; said != nil {
			passed = said.String()
		}
		broken := !r.failedIn[e.Package] || fatal(passed) || fatal(r.text(id))
		if broken {
			fmt.Print(passed)
		}
		for test, said := range r.said {
			if strings.HasPrefix(test, id) && test != id {
				broken = true
				fmt.Printf("not ended: %s\n%s", test, said)
				delete(r.said, test)
			}
		}
		if broken {
			r.broken++
		}
		fmt.Printf("FAIL %s %.1fs\n%s", e.Package, e.Elapsed, r.text(id))
	}
	delete(r.passedIn, e.Package)
}

// fatal reports whether a test said what no second run excuses.
func fatal(said string) bool {
	return slices.ContainsFunc([]string{"DATA RACE", "panic: ", "race detected "}, func(s string) bool { return strings.Contains(said, s) })
}

func (r *report) text(id string) string {
	if r.said[id] == nil {
		return ""
	}
	return r.said[id].String()
}

// reason is what a skipped test says of it: its last line but the verdict.
func reason(said string) string {
	why := "it does not say why"
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			why = line
		}
	}
	return why
}
