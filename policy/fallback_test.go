package policy

import (
	"context"
	"errors"
	"testing"
	"time"
)

// closing is a value that tells whether it was closed.
type closing struct{ closed bool }

func (c *closing) Close() error { c.closed = true; return nil }

func TestFallbackReplacesFailuresAndRejections(t *testing.T) {
	f := FallbackValue("spare")
	for _, class := range []Class{Success, Failure, Ignored, Shed} {
		value := new(closing)
		r := f.Do(t.Context(), NextFunc(func(context.Context) Result { return Result{Value: value, Class: class} }))
		replaced := class == Failure || class == Shed
		if r.Fallback != replaced || (r.Value == "spare") != replaced || value.closed != replaced {
			t.Errorf("%v: got %+v, closed %v", class, r, value.closed)
		}
		if replaced && (r.Class != Success || r.Err != nil) {
			t.Errorf("%v: the replacement is %+v", class, r)
		}
	}
	if s := f.Status(); s.Used != 2 || s.Failed != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestFallbackOnReplacesOnlyTheseClasses(t *testing.T) {
	f := FallbackValue(1).On(Shed, Ignored)
	for class, want := range map[Class]bool{Success: false, Failure: false, Ignored: false, Shed: true} {
		r := f.Do(t.Context(), NextFunc(func(context.Context) Result { return Result{Class: class} }))
		if r.Fallback != want {
			t.Errorf("%v: got %+v", class, r)
		}
	}
}

func TestFallbackLeavesAClassThatThereIsNot(t *testing.T) {
	p := Chain(FallbackValue(2)).Classified(func(context.Context, any, error) (Class, time.Duration) { return 77, 0 })
	if v, err := Do(t.Context(), p, func(context.Context) (int, error) { return 1, nil }); v != 1 || err != nil {
		t.Errorf("got %v, %v", v, err)
	}
}

func TestFallbackMayFailToo(t *testing.T) {
	broken := errors.New("broken")
	f := NewFallback(func(_ context.Context, r Result) Result { return r })
	_, err := Do(t.Context(), Chain(f), func(context.Context) (int, error) { return 0, broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if s := f.Status(); s.Used != 1 || s.Failed != 1 {
		t.Errorf("got %+v", s)
	}
}

func TestFallbackThatPanicsLeavesNoCallOpen(t *testing.T) {
	b := newBulkhead(t, BulkheadConfig{MaxConcurrent: 1})
	f, err := FallbackLastGood(LastGoodConfig{Key: func(context.Context) string { panic("no key") }})
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		_, ending, _ := Open(t.Context(), Chain(f, b), func(context.Context) (int, error) { return 1, nil }, nil)
		ending.End(nil)
	}()
	if s := b.Status(); s.InFlight != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestFallbackEndsTheOpenCallThatItReplaces(t *testing.T) {
	b := newBulkhead(t, BulkheadConfig{MaxConcurrent: 1})
	p := Chain(FallbackValue(2), b).Classified(func(context.Context, any, error) (Class, time.Duration) { return Failure, 0 })
	v, ending, err := Open(t.Context(), p, func(context.Context) (int, error) { return 1, nil }, nil)
	if v != 2 || err != nil {
		t.Errorf("got %v, %v", v, err)
	}
	wantPlaces(t, b, 0, 0)
	ending.End(nil)
}

func TestAnAnswerOfAnotherTypeIsAnError(t *testing.T) {
	v, err := Do(t.Context(), FallbackValue("seventeen"), failing)
	if want := "policy: a stand-in or shared answer is a string, and the caller wants a int"; v != 0 || err == nil || err.Error() != want {
		t.Errorf("got %v, %v", v, err)
	}
	if v, err := Do(t.Context(), FallbackValue(nil), func(context.Context) (error, error) { return nil, errBoom }); v != nil || err != nil {
		t.Errorf("nil: got %v, %v", v, err)
	}
}
