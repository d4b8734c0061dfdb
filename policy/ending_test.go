package policy

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// permits counts the calls that hold one of its permits, and how they ended.
type permits struct {
	mu    sync.Mutex
	held  int
	ended []Class
}

func (p *permits) Do(ctx context.Context, next Next) Result {
	p.mu.Lock()
	p.held++
	p.mu.Unlock()
	r := next.Do(ctx)
	r.AtEnd(func(class Class) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.held--
		p.ended = append(p.ended, class)
	})
	return r
}

func (p *permits) want(t *testing.T, held int, ended ...Class) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if diff := cmp.Diff(ended, p.ended); p.held != held || diff != "" {
		t.Errorf("%d permits held, want %d; ended with\n%s", p.held, held, diff)
	}
}

func TestOpenHoldsItsPermitUntilTheEnd(t *testing.T) {
	broken := errors.New("connection reset")
	tests := []struct {
		name string
		end  func(*Ending)
		want Class
	}{
		{"read to its end", func(e *Ending) { e.End(nil) }, Success},
		{"broken", func(e *Ending) { e.End(broken) }, Failure},
		{"given up", func(e *Ending) { e.Abandon() }, Ignored},
		{"ended as what it was", func(e *Ending) { e.EndAs(Shed) }, Shed},
		{"ended twice", func(e *Ending) { e.End(nil); e.End(broken); e.Abandon() }, Success},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, body := new(permits), new(closable)
			v, ending, err := Open(t.Context(), Chain(p), func(context.Context) (*closable, error) { return body, nil }, nil)
			if v != body || err != nil {
				t.Fatalf("got %v, %v", v, err)
			}
			p.want(t, 1)
			test.end(ending)
			p.want(t, 0, test.want)
			if body.closed != 0 {
				t.Error("the caller's value was closed for it")
			}
		})
	}
}

func TestOpenCallThatFailedIsOver(t *testing.T) {
	p := new(permits)
	_, ending, err := Open(t.Context(), p, func(context.Context) (*closable, error) { return nil, errBoom }, nil)
	if err != errBoom || ending == nil {
		t.Fatalf("got %v, %v", ending, err)
	}
	p.want(t, 0, Failure)
	ending.End(nil)
	ending.Abandon()
	p.want(t, 0, Failure)
}

func TestBreakerJudgesAnOpenCallAtItsEnd(t *testing.T) {
	b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 2})
	for range 2 {
		_, ending, err := Open(t.Context(), b, working, nil)
		if err != nil {
			t.Fatal(err)
		}
		wantState(t, b, BreakerClosed)
		ending.End(errBoom)
		ending.End(errBoom)
	}
	wantState(t, b, BreakerOpen)
}

func TestAnswerThatIsAFailureEndsAsOne(t *testing.T) {
	p := new(permits)
	chain := Chain(p).Classified(func(context.Context, any, error) (Class, time.Duration) { return Failure, 0 })
	v, ending, err := Open(t.Context(), chain, working, nil)
	if v != 42 || err != nil {
		t.Fatalf("got %v, %v", v, err)
	}
	ending.End(nil) // the body of the failure was read well
	p.want(t, 0, Failure)
}

func TestRetryClosesAnOpenTryAndReturnsItsPermits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, closer := range map[string]func(*closable){"io.Closer": nil, "closer": func(c *closable) { _ = c.Close() }} {
			p := new(permits)
			var all []*closable
			first := func(context.Context, any, error) (Class, time.Duration) {
				if len(all) == 1 {
					return Failure, 0
				}
				return Success, 0
			}
			v, ending, err := Open(t.Context(), Chain(mustRetry(t, plain(1)), p).Classified(first), func(context.Context) (*closable, error) {
				all = append(all, new(closable))
				return all[len(all)-1], nil
			}, closer)
			if err != nil || len(all) != 2 || v != all[1] {
				t.Fatalf("%s: got %v, %v", name, v, err)
			}
			if all[0].closed != 1 || all[1].closed != 0 {
				t.Errorf("%s: closed %d and %d times", name, all[0].closed, all[1].closed)
			}
			p.want(t, 1, Failure)
			ending.End(nil)
			p.want(t, 0, Failure, Success)
		}
	})
}

func TestDiscardClosesOnceAndReturnsPermitsThoughTheCloserPanics(t *testing.T) {
	p := new(permits)
	closed := 0
	thrower := policyFunc(func(ctx context.Context, next Next) Result {
		r := next.Do(ctx)
		func() {
			defer func() { _ = recover() }()
			r.Discard()
		}()
		p.want(t, 0, Success)
		r.Discard()
		return Result{Err: errBoom, Class: Failure}
	})
	_, _, err := Open(t.Context(), Chain(thrower, p), working, func(int) { closed++; panic("close") })
	if err != errBoom || closed != 1 {
		t.Errorf("%v, closed %d times", err, closed)
	}
	p.want(t, 0, Success)
}

func TestEndOfACallReleasesEveryPermitThoughAHookPanics(t *testing.T) {
	outer, inner := new(permits), new(permits)
	p := Chain(outer, endsBy(func(Class) { panic("the hook") }), inner)
	_, ending, err := Open(t.Context(), p, func(context.Context) (int, error) { return 1, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if v := recover(); v != "the hook" {
				t.Errorf("the panic is %v", v)
			}
		}()
		ending.End(nil)
	}()
	outer.want(t, 0, Success)
	inner.want(t, 0, Success)
}

// endsBy runs at the end of each call.
type endsBy func(Class)

func (f endsBy) Do(ctx context.Context, next Next) Result {
	r := next.Do(ctx)
	r.AtEnd(f)
	return r
}

func TestAtEndOfACallThatIsOverRunsAtOnce(t *testing.T) {
	_, ending, err := Open(t.Context(), Chain(), working, nil)
	if err != nil {
		t.Fatal(err)
	}
	ending.Abandon()
	ending.End(nil)
	var got []Class
	Result{ending: ending}.AtEnd(func(c Class) { got = append(got, c) })
	Result{Class: Shed}.AtEnd(func(c Class) { got = append(got, c) })
	if diff := cmp.Diff([]Class{Ignored, Shed}, got); diff != "" {
		t.Error(diff)
	}
}

func TestEndFromManyGoroutinesCountsOnce(t *testing.T) {
	p := new(permits)
	_, ending, err := Open(t.Context(), p, working, nil)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { ending.End(nil) })
	}
	wg.Wait()
	p.want(t, 0, Success)
}
