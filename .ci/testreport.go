// Testreport reads what `go test -json` writes. It prints a line for each
// package as it ends, all that failed tests said, and at the end how many
// passed, failed and were skipped. It exits 1 when anything failed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
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
}

func main() {
	r := report{said: map[string]*strings.Builder{}, passedIn: map[string]*strings.Builder{}, failedIn: map[string]bool{}}
	lines := bufio.NewScanner(os.Stdin)
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
	for _, s := range r.skips {
		fmt.Println("skipped", s)
	}
	if r.packages == 0 {
		fmt.Println("no package was tested")
		r.broken++
	}
	fmt.Printf("%d passed, %d failed, %d skipped in %d packages\n", r.passed, r.failed+r.broken, r.skipped, r.packages)
	if r.failed+r.broken > 0 {
		os.Exit(1)
	}
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
		fmt.Printf("FAIL %s\n%s", id, r.text(id))
	}
}

func (r *report) endPackage(e event, id string) {
	switch e.Action {
	case "pass":
		r.packages++
		fmt.Printf("ok   %s %.1fs\n", e.Package, e.Elapsed)
	case "fail":
		r.packages++
		if !r.failedIn[e.Package] {
			r.broken++
			if said := r.passedIn[e.Package]; said != nil {
				fmt.Print(said)
			}
		}
		fmt.Printf("FAIL %s %.1fs\n%s", e.Package, e.Elapsed, r.text(id))
	}
	delete(r.passedIn, e.Package)
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
