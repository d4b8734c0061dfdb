package rollout

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/control/judge"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
	"github.com/afloat-dev/afloat/policy"
)

var update = flag.Bool("update", false, "write the stories as they come out")

// TestStories tells what becomes of releases. A line of a story is something
// that happens; below it, indented, stand the moments in which anything changed.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.story")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".story"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := tell(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(text), got); diff != "" && !*update {
				t.Error(diff)
			}
		})
	}
}

// tell plays the story's own lines and writes what comes of each.
func tell(t *testing.T, text string) string {
	var w *world
	var out strings.Builder
	var last string
	began := time.Time{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "  ") {
			continue // what came of it before
		}
		out.WriteString(line + "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		show := func() {
			if now := w.String(); now != last {
				fmt.Fprintf(&out, "  %v: %s\n", w.now.Sub(began), now)
				last = now
			}
		}
		words := strings.Fields(line)
		if words[0] == "release" {
			w, last = play(t, words[1:]), ""
			began = w.now
			w.settle(show)
			continue
		}
		if err := happen(w, words, show); err != nil {
			fmt.Fprintf(&out, "  %v\n", err)
		}
	}
	return out.String()
}

// play begins: release STRATEGY REPLICAS SETTING...
func play(t *testing.T, words []string) *world {
	c := Config{Strategy: Strategy(words[0])}
	n, _ := strconv.Atoi(words[1])
	rolling := supervise.RollingConfig{ProgressDeadline: time.Minute}
	for _, word := range words[2:] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "step":
			c.Steps = append(c.Steps, step(t, value))
		case "keep":
			c.Keep, _ = time.ParseDuration(value)
		case "surge":
			rolling.MaxSurge = supervise.IntOrPercent(value)
		case "unavailable":
			rolling.MaxUnavailable = supervise.IntOrPercent(value)
		case "baseline":
			c.Baseline = true
		case "unjudged":
			c.Unjudged = true
		case "judged":
			c.Judge = new(judge.Config)
		case "preview":
			c.Preview = value
		case "hook":
			c.Hooks = append(c.Hooks, HookConfig{At: HookTime(value), URL: "http://hook/" + value})
		case "failures":
			c.Hooks[len(c.Hooks)-1].FailuresMax, _ = strconv.Atoi(value)
		default:
			t.Fatalf("unknown setting %q", word)
		}
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return newWorld(c, n, rolling)
}

func step(t *testing.T, text string) (s StepConfig) {
	for part := range strings.SplitSeq(text, ",") {
		var ratio policy.Ratio
		hold, err := time.ParseDuration(part)
		switch share, copies := strings.CutPrefix(part, "copies:"); {
		case part == "gate":
			s.Gate = true
		case part == "match":
			s.Match = []gateway.MatchConfig{{Headers: map[string]gateway.StringMatch{"x-canary": {}}}}
		case err == nil:
			s.Hold = hold
		case ratio.UnmarshalText([]byte(share)) != nil:
			t.Fatalf("unknown part of a step %q", part)
		case copies:
			s.Mirror = ratio
		default:
			s.Weight = ratio
		}
	}
	return s
}

// happen lets something happen.
func happen(w *world, words []string, show func()) error {
	rest := strings.Join(words[1:], " ")
	switch words[0] {
	case "pass":
		d, err := time.ParseDuration(rest)
		if err != nil {
			return err
		}
		w.pass(d, show)
		return nil
	case "judge": // judge DECISION WHY
		w.verdict = Verdict{Decision(words[1]), strings.Join(words[2:], " ")}
	case "broken":
		w.broken = true
	case "ruined":
		w.ruined = true
	case "next":
		w.next = true
	case "down": // down old|new
		w.down(Role(words[1]))
	case "slow":
		w.starts = 10 * time.Second
	case "crash":
		w.sets[RoleNew].crashes++
	case "hook": // hook N yes|no
		i, _ := strconv.Atoi(words[1])
		w.says[i] = words[2] == "yes"
	case "restart":
		w.forget(written(w.release), rest == "killed")
		if rest == "killed" { // the loop starts again what should run
			w.settle(show)
		}
	default:
		if err := w.release.Do(Command(words[0]), "bob", w.now); err != nil {
			return err
		}
	}
	w.settle(show)
	return nil
}
