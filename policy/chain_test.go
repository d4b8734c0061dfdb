package policy

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// policyFunc makes a Policy of a function, to look into a chain.
type policyFunc func(ctx context.Context, next Next) Result

func (f policyFunc) Do(ctx context.Context, next Next) Result { return f(ctx, next) }

// tracer writes its name down before and after the call.
func tracer(trace *[]string, name string) Policy {
	return policyFunc(func(ctx context.Context, next Next) Result {
		*trace = append(*trace, "+"+name)
		defer func() { *trace = append(*trace, "-"+name) }()
		return next.Do(ctx)
	})
}

func mustBreaker(t testing.TB, c BreakerConfig) *Breaker {
	t.Helper()
	b, err := NewBreaker(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustRetry(t testing.TB, c RetryConfig) *Retry {
	t.Helper()
	r, err := NewRetry(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var errBoom = errors.New("boom")

// failing is a function that always fails.
func failing(context.Context) (int, error) { return 0, errBoom }

func working(context.Context) (int, error) { return 42, nil }

func TestChainRunsTheFirstPolicyOutermost(t *testing.T) {
	var trace []string
	p := Chain(tracer(&trace, "a"), nil, Chain(tracer(&trace, "b"), Chain(tracer(&trace, "c"))), tracer(&trace, "d"))
	if len(p.steps) != 4 {
		t.Errorf("%d steps, want the nested chains flattened into 4", len(p.steps))
	}
	v, err := Do(t.Context(), p, working)
	if v != 42 || err != nil {
		t.Fatalf("got %v, %v", v, err)
	}
	if diff := cmp.Diff([]string{"+a", "+b", "+c", "+d", "-d", "-c", "-b", "-a"}, trace); diff != "" {
		t.Error(diff)
	}
}

func TestPipelineWorksInsideAnotherPolicy(t *testing.T) {
	var trace []string
	inner := Chain(tracer(&trace, "inner"))
	outer := policyFunc(func(ctx context.Context, next Next) Result { return inner.Do(ctx, next) })
	if v, err := Do(t.Context(), outer, working); v != 42 || err != nil {
		t.Fatalf("got %v, %v", v, err)
	}
	if diff := cmp.Diff([]string{"+inner", "-inner"}, trace); diff != "" {
		t.Error(diff)
	}
}

func TestEmptyChainRunsTheFunction(t *testing.T) {
	if v, err := Do(t.Context(), Chain(), working); v != 42 || err != nil {
		t.Fatalf("got %v, %v", v, err)
	}
}

func TestDoReturnsEveryKindOfValue(t *testing.T) {
	p := Chain(mustRetry(t, RetryConfig{}), mustBreaker(t, BreakerConfig{}))
	type pair struct{ a, b int }
	x := &pair{1, 2}

	if v, err := Do(t.Context(), p, func(context.Context) (pair, error) { return *x, nil }); v != *x || err != nil {
		t.Errorf("value: got %v, %v", v, err)
	}
	if v, err := Do(t.Context(), p, func(context.Context) (*pair, error) { return x, nil }); v != x || err != nil {
		t.Errorf("pointer: got %v, %v", v, err)
	}
	if v, err := Do(t.Context(), p, func(context.Context) (error, error) { return errBoom, nil }); v != errBoom || err != nil {
		t.Errorf("error as the value: got %v, %v", v, err)
	}
	if v, err := Do(t.Context(), p, func(context.Context) (io.Reader, error) { return nil, nil }); v != nil || err != nil {
		t.Errorf("nil interface: got %v, %v", v, err)
	}
	if v, err := Do(t.Context(), Chain(), func(context.Context) (int, error) { return 7, errBoom }); v != 7 || err != errBoom {
		t.Errorf("value beside an error: got %v, %v", v, err)
	}
}

func TestPooledCallsSurviveMixedTypesAndConcurrency(t *testing.T) {
	p := Chain(mustRetry(t, RetryConfig{Attempts: -1}), mustBreaker(t, BreakerConfig{ConsecutiveFailures: -1, FailureRate: -1}))
	if !p.Joins() {
		t.Fatal("a chain of policies that join is not pooled")
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 500 {
				if v, err := Do(t.Context(), p, func(context.Context) (int, error) { return i*1000 + n, nil }); v != i*1000+n || err != nil {
					t.Errorf("int: got %v, %v", v, err)
				}
				if v, err := Do(t.Context(), p, func(context.Context) (string, error) { return "x", errBoom }); v != "x" || err != errBoom {
					t.Errorf("string: got %v, %v", v, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestCallsAreNotPooledWithAPolicyThatMayOutliveThem(t *testing.T) {
	foreign := policyFunc(func(ctx context.Context, next Next) Result { return next.Do(ctx) })
	if Chain(mustBreaker(t, BreakerConfig{}), foreign).Joins() {
		t.Error("pooled beside a policy that does not say that it joins")
	}
	if Chain(Chain(foreign), mustBreaker(t, BreakerConfig{})).Classified(Classify).Joins() {
		t.Error("flattening or classifying forgot it")
	}
}

func TestPooledCallIsLeftAloneAfterAPanic(t *testing.T) {
	p := Chain(mustBreaker(t, BreakerConfig{ConsecutiveFailures: -1, FailureRate: -1}))
	func() {
		defer func() {
			if recover() != "boom" {
				t.Error("the panic did not reach the caller")
			}
		}()
		_, _ = Do(t.Context(), p, func(context.Context) (int, error) { panic("boom") })
	}()
	if v, err := Do(t.Context(), p, working); v != 42 || err != nil {
		t.Fatalf("after the panic: got %v, %v", v, err)
	}
}

func TestClassifiedDecidesWhatFails(t *testing.T) {
	odd := func(_ context.Context, v any, err error) (class Class, _ time.Duration) {
		if v.(int)%2 == 1 {
			return Failure, 0
		}
		return Success, 0
	}
	tries := 0
	count := func(context.Context) (int, error) { tries++; return tries, nil }
	p := Chain(mustRetry(t, RetryConfig{Jitter: JitterNone, Delay: 1})).Classified(odd)
	if v, err := Do(t.Context(), Chain(p), count); v != 2 || err != nil {
		t.Fatalf("got %v, %v; want the second try's 2", v, err)
	}
}

func TestClassify(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	rejected := &Rejected{Policy: "breaker", Reason: ErrOpen, RetryAfter: 3}
	tests := []struct {
		name  string
		ctx   context.Context
		err   error
		class Class
		after time.Duration
	}{
		{"no error", t.Context(), nil, Success, 0},
		{"no error though cancelled", canceled, nil, Success, 0},
		{"an error", t.Context(), errBoom, Failure, 0},
		{"the caller gave up", canceled, context.Canceled, Ignored, 0},
		{"somebody else gave up", t.Context(), context.Canceled, Failure, 0},
		{"a rejection from further down", t.Context(), errors.Join(errBoom, rejected), Shed, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if class, after := Classify(test.ctx, nil, test.err); class != test.class || after != test.after {
				t.Errorf("got %v, %v; want %v, %v", class, after, test.class, test.after)
			}
		})
	}
}

func TestCallersCancelIsIgnored(t *testing.T) {
	b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 1})
	p := Chain(mustRetry(t, RetryConfig{}), b)
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	_, err := Do(ctx, p, func(ctx context.Context) (int, error) {
		tries++
		cancel()
		return 0, ctx.Err()
	})
	if !errors.Is(err, context.Canceled) || tries != 1 {
		t.Errorf("got %v after %d tries", err, tries)
	}
	if s := b.Status().State; s != BreakerClosed {
		t.Errorf("the breaker is %v, want it to blame nobody", s)
	}
}

func TestPanicAndGoexitReturnEveryPermit(t *testing.T) {
	for name, fn := range map[string]func(context.Context) (int, error){"panic": panicking, "Goexit": goexit} {
		t.Run(name, func(t *testing.T) {
			bulkhead, err := NewBulkhead(BulkheadConfig{MaxConcurrent: 1})
			if err != nil {
				t.Fatal(err)
			}
			b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 3})
			p := Chain(mustRetry(t, plain(5)), b, bulkhead)
			for range 2 {
				onGoroutine(func() { _, _ = Do(t.Context(), p, fn) })
				onGoroutine(func() { _, _, _ = Open(t.Context(), p, fn, nil) })
				if v, err := Do(t.Context(), p, working); v != 42 || err != nil {
					t.Fatalf("then: got %v, %v", v, err)
				}
			}
			wantState(t, b, BreakerClosed)
		})
	}
}

// onGoroutine runs f on a goroutine of its own and waits for its end, however
// it comes.
func onGoroutine(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		f()
	}()
	<-done
}

func goexit(context.Context) (int, error)    { runtime.Goexit(); return 0, nil }
func panicking(context.Context) (int, error) { panic("boom") }

// counted is a policy of another package that replaces the Do of one of this.
type counted struct {
	*Breaker
	calls int
}

func (c *counted) Do(ctx context.Context, next Next) Result {
	c.calls++
	return c.Breaker.Do(ctx, next)
}

func TestChainCallsTheDoThatReplacesAnother(t *testing.T) {
	c := &counted{Breaker: mustBreaker(t, BreakerConfig{})}
	for i, p := range []Policy{c, Chain(c), Chain(mustRetry(t, RetryConfig{}), c)} {
		if _, err := Do(t.Context(), p, func(context.Context) (int, error) { return 0, nil }); err != nil || c.calls != i+1 {
			t.Errorf("called %d times, want %d; error %v", c.calls, i+1, err)
		}
	}
}

// left is a policy of another package that answers before its call has ended.
type left struct {
	*Breaker
	ended chan Result
}

func (l *left) Do(ctx context.Context, next Next) Result {
	go func() { l.ended <- next.Do(ctx) }()
	return Result{Value: 7}
}

func TestChainTakesNoPromiseOfAnEmbeddedPolicy(t *testing.T) {
	l := &left{mustBreaker(t, BreakerConfig{}), make(chan Result)}
	p := Chain(l)
	if p.Joins() {
		t.Error("a Do of another package joins because of the policy that its type embeds")
	}
	hold := make(chan struct{})
	if v, err := Do(t.Context(), p, func(context.Context) (int, error) { <-hold; return 1, nil }); v != 7 || err != nil {
		t.Fatalf("got %v, %v", v, err)
	}
	go func() { _, _ = Do(t.Context(), p, func(context.Context) (int, error) { return 2, nil }) }()
	second := <-l.ended
	close(hold)
	if first := <-l.ended; first.Value != 1 || second.Value != 2 {
		t.Errorf("the calls ended with %v and %v, want each its own", first.Value, second.Value)
	}
}
