package policy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

// Why a Retry stopped repeating a call that failed.
var (
	ErrAttempts   = errors.New("no attempts are left")
	ErrBudget     = errors.New("the retry budget is spent")
	ErrDeadline   = errors.New("the wait would outlast the deadline")
	ErrTimeMax    = errors.New("the tries have taken too long together")
	ErrRetryAfter = errors.New("the callee asked to be left alone for too long")
)

// RetryConfig configures a [Retry]. Zero fields take the default beside them.
type RetryConfig struct {
	// Attempts is how often a call may be repeated after its first try, as in
	// Istio and the Gateway API. Default 2; negative: never.
	Attempts int `yaml:"attempts"`
	// Backoff is how the wait before a repeat grows: exponential, fibonacci,
	// linear or constant. Default exponential.
	Backoff Backoff `yaml:"backoff"`
	// Delay is the wait before the first repeat. Default 25ms.
	Delay time.Duration `yaml:"delay"`
	// DelayMax bounds the wait, and how long a callee's Retry-After is obeyed:
	// a callee that asks for more is not asked again. Default 1s.
	DelayMax time.Duration `yaml:"delayMax"`
	// Jitter spreads the waits: full, equal, decorrelated or none. Default
	// full.
	Jitter Jitter `yaml:"jitter"`
	// TimeMax is how long after the first try began the last one may begin. A
	// [Timeout] around the Retry ends a try that is under way, too. Default 0:
	// no bound.
	TimeMax time.Duration `yaml:"timeMax"`
	// Budget bounds the repeats of all calls together.
	Budget BudgetConfig `yaml:"budget"`
	// Name is what events call the retry.
	Name string `yaml:"-"`
	// Observer is told of repeats, and of calls that are given up.
	Observer Observer `yaml:"-"`
}

// Validate returns a [FieldError] for each field that cannot be used, joined.
func (c RetryConfig) Validate() error {
	var p problems
	p.unless(c.Attempts <= 100, "attempts", "want at most 100, got %d", c.Attempts)
	p.unless(oneOf(c.Backoff, Backoff("").Enum()), "backoff", "want exponential, fibonacci, linear or constant, got %q", c.Backoff)
	p.unless(oneOf(c.Jitter, Jitter("").Enum()), "jitter", "want full, equal, decorrelated or none, got %q", c.Jitter)
	p.unless(usableDuration(c.Delay), "delay", "want 0 to %v, got %v", durationMax, c.Delay)
	d := c.WithDefaults()
	p.unless(d.DelayMax >= d.Delay && d.DelayMax <= durationMax, "delayMax", "want delay (%v) to %v, got %v", d.Delay, durationMax, c.DelayMax)
	p.unless(usableDuration(c.TimeMax), "timeMax", "want 0 to %v, got %v", durationMax, c.TimeMax)
	c.Budget.validate(&p)
	return p.join()
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c RetryConfig) WithDefaults() RetryConfig {
	setDefault(&c.Attempts, 2)
	setDefault(&c.Backoff, BackoffExponential)
	setDefault(&c.Delay, 25*time.Millisecond)
	setDefault(&c.DelayMax, max(time.Second, c.Delay))
	setDefault(&c.Jitter, JitterFull)
	c.Budget = c.Budget.WithDefaults()
	return c
}

// Retry repeats calls that failed, within a budget that all calls share.
//
// Whether a call may be repeated at all is the caller's knowledge: put Retry
// only around calls that are idempotent, or say by [WithRepeatable] which are
// not.
type Retry struct {
	config atomic.Pointer[RetryConfig]
	budget budget
	events events

	repeated digest
	stopped  [len(stops)]digest
}

// NewRetry returns a Retry, or the problems of its Config.
func NewRetry(c RetryConfig) (*Retry, error) {
	r := new(Retry)
	r.budget.start()
	r.begin(c)
	if err := r.Set(c); err != nil {
		return nil, err
	}
	return r, nil
}

// Set changes the configuration and keeps the budget's counts. Name and
// Observer stay as they were.
func (r *Retry) Set(c RetryConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c = c.WithDefaults()
	r.config.Store(&c)
	return nil
}

// Tries is the sequence of tries of one call.
type Tries struct {
	retry   *Retry
	repeats int
	waited  time.Duration // before the last repeat
	began   time.Duration // zero where no time is bounded
}

// Begin counts a call into the budget. The first try needs no permission.
func (r *Retry) Begin() Tries {
	c := r.config.Load()
	r.budget.called(&c.Budget)
	t := Tries{retry: r}
	if c.TimeMax > 0 {
		t.began = now()
	}
	return t
}

// Count is how many tries there have been.
func (t *Tries) Count() int { return t.repeats + 1 }

// Again asks whether to repeat a call that ended with class, and how long to
// wait before. The error says why not: [ErrAttempts], [ErrBudget],
// [ErrDeadline], [ErrTimeMax] or [ErrRetryAfter]; it is nil with ok false for a
// result that is final by itself.
// Left is the time until the call's deadline; zero means none, and less that it
// has passed.
func (t *Tries) Again(class Class, retryAfter, left time.Duration) (wait time.Duration, ok bool, why error) {
	return t.again(context.Background(), &Result{Class: class, RetryAfter: retryAfter}, left)
}

// again is Again for a result, and tells of what it decides.
func (t *Tries) again(ctx context.Context, r *Result, left time.Duration) (wait time.Duration, ok bool, why error) {
	if r.Class == Failure && once(ctx) {
		return 0, false, nil
	}
	wait, ok, why = t.decide(r.Class, r.RetryAfter, left)
	switch {
	case ok:
		t.retry.repeated.happened(ctx, Event{Attempt: t.Count(), Wait: wait, Class: r.Class, Err: r.Err})
	case why != nil:
		t.retry.stoppedFor(why).happened(ctx, Event{Attempt: t.Count(), Wait: r.RetryAfter, Class: r.Class})
	}
	return wait, ok, why
}

func (t *Tries) decide(class Class, retryAfter, left time.Duration) (wait time.Duration, ok bool, why error) {
	if class != Failure {
		return 0, false, nil
	}
	c := t.retry.config.Load()
	if t.repeats >= c.Attempts {
		return 0, false, ErrAttempts
	}
	delay := c.wait(t.repeats+1, t.waited)
	wait = delay
	if retryAfter > delay {
		wait = retryAfter
		if c.Jitter != JitterNone && delay > 0 { // others were told the same
			wait = max(retryAfter, min(retryAfter+rand.N(delay), c.DelayMax))
		}
	}
	switch {
	case retryAfter > c.DelayMax:
		return 0, false, ErrRetryAfter
	case left != 0 && wait >= left:
		return 0, false, ErrDeadline
	case c.TimeMax > 0 && t.began > 0 && now()-t.began+wait > c.TimeMax:
		return 0, false, ErrTimeMax
	case !t.retry.budget.spend(&c.Budget):
		return 0, false, ErrBudget
	}
	t.repeats++
	t.waited = delay
	return wait, true, nil
}

// RetryError is the error of a call that was tried more than once, or that
// would have been but for the budget or the deadline.
type RetryError struct {
	// Stopped is why there was no further try; nil when the last result was
	// final by itself, as a rejection is.
	Stopped error
	// Errs are the errors of the tries, in order.
	Errs []error
}

func (e *RetryError) Error() string {
	text := fmt.Sprintf("%d tries failed", len(e.Errs))
	if len(e.Errs) == 1 {
		text = "1 try failed"
	}
	if e.Stopped != nil {
		text += " (" + e.Stopped.Error() + ")"
	}
	for i, err := range e.Errs {
		text += fmt.Sprintf("; %d: %v", i+1, err)
	}
	return text
}

// Unwrap returns the errors of all tries, and Stopped.
func (e *RetryError) Unwrap() []error {
	if e.Stopped == nil {
		return e.Errs
	}
	return append(slices.Clone(e.Errs), e.Stopped)
}

// Do makes the call, and makes it again while it fails and it may.
func (r *Retry) Do(ctx context.Context, next Next) Result { return alone(ctx, r, next) }

func (r *Retry) run(ctx context.Context, next Next, result *Result) {
	tries := r.Begin()
	var errs []error
	within := firstAttempt(ctx)
	for {
		next.run(within, result)
		if result.Class == Success {
			return
		}
		wait, again, why := tries.again(ctx, result, timeLeft(ctx))
		if !again {
			*result = stopped(*result, errs, why)
			return
		}
		if result.Err != nil {
			errs = append(errs, result.Err)
		}
		result.Discard()
		if err := sleep(ctx, wait); err != nil {
			*result = stopped(Result{Err: err, Class: Ignored}, errs, nil)
			return
		}
		within = WithAttempt(ctx, tries.Count(), wait)
	}
}

// stopped is the last try's result, with the errors of all tries. A call that
// was tried once and had no more coming keeps its own error.
func stopped(last Result, earlier []error, why error) Result {
	if last.Err == nil || len(earlier) == 0 && (why == nil || why == ErrAttempts) {
		return last
	}
	last.Err = &RetryError{Stopped: why, Errs: append(earlier, last.Err)}
	return last
}

// timeLeft is the time until the context's deadline; zero when it has none.
func timeLeft(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(time.Until(deadline), 1)
}

// sleep waits for d, or until the context ends and gives its error.
func sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
