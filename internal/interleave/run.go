package interleave

import (
	"errors"
	"fmt"
)

// run is the execution of one schedule.
type run struct {
	options     Options
	path        []choice // followed as far as it goes, then lengthened
	depth       int      // how many choices of it were made
	tasks       []*task
	last        *task // whose step was the latest
	preemptions int
	steps       []step
}

type step struct {
	task int
	what string
}

// task is one of the goroutines of a run. It runs only between being told to go
// and saying that it has come to its next step.
type task struct {
	number  int
	goes    chan bool     // false: give up
	stopped chan struct{} // it is before a step, or over
	next    string        // the step that it is before
	waits   func() bool   // nil, or whether the step can happen now
	over    bool
	failure error
}

// current is the task that runs now; nil outside of tasks, where operations
// are not steps.
var current *task

// abandoned ends the goroutine of a task whose run has failed.
type abandoned struct{}

// Step is called before an operation on shared memory and returns when it is
// the operation's turn.
func Step(what string) { await(what, nil) }

// Await is Step for an operation that can only happen when ready says so, such
// as locking a mutex.
func Await(what string, ready func() bool) { await(what, ready) }

func await(what string, ready func() bool) {
	t := current
	if t == nil {
		return
	}
	t.next, t.waits = what, ready
	t.stopped <- struct{}{}
	if !<-t.goes {
		panic(abandoned{})
	}
}

// execute runs the program in the order that the path says and after it takes
// the first way at each choice.
func (r *run) execute(p Program) error {
	for i, f := range p.Tasks {
		t := &task{number: i, goes: make(chan bool), stopped: make(chan struct{}), next: "begin"}
		r.tasks = append(r.tasks, t)
		go t.run(f)
	}
	err := r.drive()
	for _, t := range r.tasks {
		if !t.over {
			current = t
			t.goes <- false
			<-t.stopped
		}
	}
	current = nil
	if err == nil {
		err = p.Check()
	}
	return err
}

func (t *task) run(f func()) {
	defer func() {
		if p := recover(); p != nil && p != (abandoned{}) {
			t.failure = fmt.Errorf("task %d panics: %v", t.number, p)
		}
		t.over = true
		t.stopped <- struct{}{}
	}()
	if <-t.goes {
		f()
	}
}

// drive lets one task after another make a step until all are over.
func (r *run) drive() error {
	for {
		ready := r.ready()
		if len(ready) == 0 {
			for _, t := range r.tasks {
				if !t.over {
					return fmt.Errorf("deadlock: task %d waits for %q", t.number, t.next)
				}
			}
			return nil
		}
		if len(r.steps) == stepsMax {
			return errors.New("too many steps: an endless loop?")
		}
		t := r.choose(ready)
		r.last = t
		r.steps = append(r.steps, step{t.number, t.next})
		current = t
		t.goes <- true
		<-t.stopped
		current = nil
		if t.failure != nil {
			return t.failure
		}
	}
}

// ready returns the tasks that could make their step now, the latest first.
func (r *run) ready() []*task {
	var ready []*task
	for _, t := range r.tasks {
		if t.over || t.waits != nil && !t.waits() {
			continue
		}
		if ready = append(ready, t); t == r.last {
			ready[0], ready[len(ready)-1] = t, ready[0]
		}
	}
	return ready
}

// choose picks the task whose step comes next.
func (r *run) choose(ready []*task) *task {
	goesOn := ready[0] == r.last
	if len(ready) == 1 || goesOn && r.options.Preemptions > 0 && r.preemptions == r.options.Preemptions {
		return ready[0]
	}
	if r.depth == len(r.path) {
		r.path = append(r.path, choice{of: len(ready)})
	}
	taken := r.path[r.depth].taken
	r.depth++
	if goesOn && taken > 0 {
		r.preemptions++
	}
	return ready[taken]
}
