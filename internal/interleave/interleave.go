// Package interleave runs small concurrent programs in every order in which
// their steps can happen: a model checker whose model is the code itself.
//
// A step is one operation on shared memory. The packages atomic and sync below
// this one stand in for those of the standard library and ask the explorer
// before each operation; [Overlay] compiles a package against them. Between
// two steps one task alone runs, so a schedule is nothing but the list of whose
// step came when, and the explorer tries all such lists, depth first, as
// stateless model checkers do (Godefroid, "Model checking for programming
// languages using VeriSoft", POPL 1997). Where there are too many, the number
// of preemptions can be bounded: few are enough for most faults (Musuvathi and
// Qadeer, "Iterative context bounding", PLDI 2007).
//
// Steps are taken to be sequentially consistent, which is what Go's memory
// model promises of sync/atomic. Channels are not steps: tasks must not wait
// on one another by them.
package interleave

import (
	"fmt"
	"strings"
)

// Program is one run of what is to be explored. It is made anew for each
// schedule, so that no run sees what another left behind.
type Program struct {
	// Tasks run at once.
	Tasks []func()
	// Check is called after all of them and returns what went wrong, if
	// anything did.
	Check func() error
}

// Options bound an exploration.
type Options struct {
	// Preemptions is how often a schedule may take the turn from a task that
	// could have gone on. Zero: as often as it likes, which tries everything.
	Preemptions int
	// SchedulesMax ends the exploration with an error rather than let it run
	// for ever. Default 2,000,000.
	SchedulesMax int
}

// stepsMax is how many steps a schedule may have: more are an endless loop.
const stepsMax = 10_000

// Explore runs the program in every order and returns how many there were. The
// error is that of the first schedule that fails: its Check, a panic, or a
// deadlock, with the schedule itself.
//
// One exploration at a time: the tasks find it through a package variable.
func Explore(o Options, program func() Program) (schedules int, err error) {
	if o.SchedulesMax == 0 {
		o.SchedulesMax = 2_000_000
	}
	var path []choice
	for {
		schedules++
		r := &run{options: o, path: path}
		if err := r.execute(program()); err != nil {
			return schedules, fmt.Errorf("schedule %d, %s: %w", schedules, r.schedule(), err)
		}
		if path = next(r.path); path == nil {
			return schedules, nil
		}
		if schedules == o.SchedulesMax {
			return schedules, fmt.Errorf("not finished after %d schedules: make the program smaller or bound its preemptions", schedules)
		}
	}
}

// choice is a point where more than one task could have gone on.
type choice struct{ of, taken int }

// next turns the path to the first one after it in depth-first order, or
// returns nil after the last.
func next(path []choice) []choice {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i].taken+1 < path[i].of {
			path[i].taken++
			return path[:i+1]
		}
	}
	return nil
}

// schedule tells whose steps came when.
func (r *run) schedule() string {
	var out strings.Builder
	out.WriteString("steps")
	for _, s := range r.steps {
		fmt.Fprintf(&out, " %d:%s", s.task, s.what)
	}
	return out.String()
}
