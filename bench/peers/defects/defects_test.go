// Package defects runs one and the same test on Afloat and on the libraries in
// which it was found to fail, each for a behaviour that a caller may rely on.
//
// Afloat must have every behaviour. A peer that is known not to have one must
// be seen to fail: a version that mends it fails the test, too, so that nobody
// goes on telling what has ceased to be true.
package defects

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var update = flag.Bool("update", false, "write the table into ../README.md")

// behaviour is what a caller may rely on, and who is put to the test.
type behaviour struct {
	name     string
	subjects []subject
}

// subject is a library, and how it does in the test: what it does wrong, or
// nothing.
type subject struct {
	library string
	does    string // what it is known to do instead; "" if it behaves
	awake   bool   // cannot be put to the test in a bubble
	try     func(*testing.T) (fault string)
}

// maker makes what of a library is put to the test.
type maker[S any] struct {
	library string
	awake   bool // has goroutines that never end, so that no bubble would either
	make    func(testing.TB) S
}

// faults is what libraries are known to do instead of what they should.
type faults map[string]string

// put puts what each maker makes to the same test.
func put[S any](test func(*testing.T, S) string, known faults, makers ...maker[S]) (subjects []subject) {
	for _, m := range makers {
		subjects = append(subjects, subject{m.library, known[m.library], m.awake, func(t *testing.T) string {
			return test(t, m.make(t))
		}})
	}
	return subjects
}

// inBubble runs the tests with a clock of their own, which does not wait, as
// far as the subjects bear it.
func inBubble(subjects []subject) []subject {
	for i, s := range subjects {
		if s.awake {
			continue
		}
		subjects[i].try = func(t *testing.T) (fault string) {
			synctest.Test(t, func(t *testing.T) {
				fault = s.try(t)
				time.Sleep(time.Hour) // for timers that nobody can stop
			})
			return fault
		}
	}
	return subjects
}

func behaviours() []behaviour {
	var all []behaviour
	for _, some := range [][]behaviour{breakerBehaviours, callBehaviours, retryBehaviours, limitBehaviours} {
		all = append(all, some...)
	}
	return all
}

const afloat = "Afloat"

// triesMax is how often a library may pass a test that it is known to fail:
// some faults are races.
const triesMax = 20

func TestDefects(t *testing.T) {
	for _, b := range behaviours() {
		t.Run(b.name, func(t *testing.T) {
			tested := false
			for _, s := range b.subjects {
				tested = tested || s.library == afloat
				t.Run(s.library, func(t *testing.T) {
					fault := s.try(t)
					for tries := 1; fault == "" && s.does != "" && tries < triesMax; tries++ {
						fault = s.try(t)
					}
					switch {
					case fault == "" && s.does != "":
						library, _, _ := strings.Cut(s.library, " ") // the rest is how it is set up
						t.Errorf("%s behaves in version %s: take it off the list of faults", s.library, versions(t)[library])
					case fault != "" && s.does == "":
						t.Errorf("%s does not behave: %s", s.library, fault)
					case fault != "":
						t.Logf("as known: %s", fault)
					}
				})
			}
			if !tested {
				t.Error("Afloat was not put to the test")
			}
		})
	}
}

// TestReadmeHasTheTable keeps the page that tells of the defects true.
func TestReadmeHasTheTable(t *testing.T) {
	const page, begin, end = "../README.md", "<!-- defects: begin -->\n", "<!-- defects: end -->"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	had, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", page)
	}
	want := table(t)
	switch {
	case had == want:
	case *update:
		if err := os.WriteFile(page, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table in %s is not this one; go test ./defects -update writes it:\n%s", page, want)
	}
}

// table tells who behaves and who does not.
func table(t *testing.T) string {
	var out strings.Builder
	out.WriteString("| What a caller may rely on | so do, besides Afloat | and what others do instead |\n|---|---|---|\n")
	for _, b := range behaviours() {
		var sound, faulty []string
		for _, s := range b.subjects {
			switch {
			case s.does != "":
				faulty = append(faulty, fmt.Sprintf("%s: %s", s.library, s.does))
			case s.library != afloat:
				sound = append(sound, s.library)
			}
		}
		fmt.Fprintf(&out, "| %s | %s | %s |\n", b.name, strings.Join(sound, ", "), strings.Join(faulty, "; "))
	}
	out.WriteString("\n")
	var names []string
	of := versions(t)
	for _, l := range libraries {
		names = append(names, l.name+" "+of[l.name])
	}
	fmt.Fprintf(&out, "Versions: %s.\n", strings.Join(names, ", "))
	return out.String()
}

// libraries are the peers by the names that they have here.
var libraries = []struct{ name, module string }{
	{"cenkalti", "github.com/cenkalti/backoff/v5"},
	{"eapache", "github.com/eapache/go-resiliency"},
	{"failsafe", "github.com/failsafe-go/failsafe-go"},
	{"gobreaker", "github.com/sony/gobreaker/v2"},
	{"goresilience", "github.com/slok/goresilience"},
	{"mercari", "github.com/mercari/go-circuitbreaker"},
	{"retryablehttp", "github.com/hashicorp/go-retryablehttp"},
	{"sentinel", "github.com/alibaba/sentinel-golang"},
	{"throttled", "github.com/throttled/throttled/v2"},
	{"uber", "go.uber.org/ratelimit"},
	{"x/time", "golang.org/x/time"},
}

// versions are those of the libraries, from go.mod.
func versions(t *testing.T) map[string]string {
	t.Helper()
	args := []string{"list", "-m", "-f", "{{.Path}} {{.Version}}"}
	for _, l := range libraries {
		args = append(args, l.module)
	}
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]string{}
	for line := range strings.Lines(string(out)) {
		module, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		for _, l := range libraries {
			if l.module == module {
				of[l.name] = strings.TrimPrefix(version, "v")
			}
		}
	}
	return of
}
