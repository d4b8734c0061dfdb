package policyotel

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/afloat-dev/afloat/policy"
)

func must[P any](p P, err error) P {
	if err != nil {
		panic(err)
	}
	return p
}

var errDown = errors.New("down")

func working(context.Context) (int, error) { return 1, nil }
func failing(context.Context) (int, error) { return 0, errDown }

// record returns spans that are kept, and what was kept.
func record(c SpansConfig) (*Spans, *tracetest.SpanRecorder) {
	recorder := tracetest.NewSpanRecorder()
	c.Name, c.Provider = "cart", sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder))
	return must(NewSpans(c)), recorder
}

// told is a span in words.
func told(s sdk.ReadOnlySpan) string {
	text := s.Name() + ":"
	for _, a := range sorted(s.Attributes()) {
		text += fmt.Sprintf(" %s=%s", a.Key, a.Value.String())
	}
	for _, e := range s.Events() {
		text += " [" + e.Name + "]"
	}
	if s.Status().Code == codes.Error {
		text += " error: " + s.Status().Description
	}
	return text
}

func sorted(attributes []attribute.KeyValue) []attribute.KeyValue {
	slices.SortFunc(attributes, func(a, b attribute.KeyValue) int { return cmpKeys(a.Key, b.Key) })
	return attributes
}

func cmpKeys(a, b attribute.Key) int {
	if a < b {
		return -1
	}
	return 1
}

func wantSpans(t *testing.T, recorder *tracetest.SpanRecorder, want ...string) {
	t.Helper()
	var got []string
	for _, s := range recorder.Ended() {
		got = append(got, told(s))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTryHasTheStateOfItsKeysBreaker(t *testing.T) {
	breakers := must(policy.NewKeyedBreaker(policy.KeyedBreakerConfig{Breaker: policy.BreakerConfig{ConsecutiveFailures: 1}}))
	spans, recorder := record(SpansConfig{Breakers: breakers})
	chain := policy.Chain(spans.Try(), breakers)
	breakers.Get("b").Trip("test")
	for _, key := range []string{"a", "b", ""} {
		_, _ = policy.Do(policy.WithKey(t.Context(), key), chain, func(context.Context) (int, error) { return 1, nil })
	}
	wantSpans(t, recorder,
		"cart try: afloat.attempt=1 afloat.breaker.state=closed afloat.class=success",
		"cart try: afloat.attempt=1 afloat.breaker.state=open afloat.class=shed afloat.rejected.policy=breaker afloat.rejected.reason=circuit breaker is open error.type=*policy.Rejected [rejected] error: breaker: circuit breaker is open",
		"cart try: afloat.attempt=1 afloat.class=success",
	)
}

func TestTriesAreSpansOfTheirCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		breaker := must(policy.NewBreaker(policy.BreakerConfig{ConsecutiveFailures: 2}))
		spans, recorder := record(SpansConfig{Breaker: breaker, Attributes: []attribute.KeyValue{attribute.String("shop", "a")}})
		retry := must(policy.NewRetry(policy.RetryConfig{Name: "again", Attempts: 3, Delay: time.Second, Jitter: policy.JitterNone}))
		chain := policy.Chain(spans.Call(), policy.FallbackValue(7), retry, spans.Try(), breaker)

		remote := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true})
		ctx := trace.ContextWithRemoteSpanContext(t.Context(), remote)
		if _, err := policy.Do(ctx, chain, failing); err != nil {
			t.Fatal(err)
		}
		wantSpans(t, recorder,
			"cart try: afloat.attempt=1 afloat.breaker.state=closed afloat.class=failure error.type=*errors.errorString shop=a error: down",
			"cart try: afloat.attempt=2 afloat.breaker.state=closed afloat.class=failure afloat.wait=1 error.type=*errors.errorString shop=a error: down",
			"cart try: afloat.attempt=3 afloat.breaker.state=open afloat.class=shed afloat.rejected.policy=breaker afloat.rejected.reason=circuit breaker is open afloat.wait=1 error.type=*policy.Rejected shop=a [rejected] error: breaker: circuit breaker is open",
			"cart: afloat.attempts=3 afloat.class=success afloat.fallback=true shop=a [retry] [retry] [fallback]",
		)
		ended := recorder.Ended()
		call := ended[3]
		if call.Parent().SpanID() != remote.SpanID() || call.SpanContext().TraceID() != remote.TraceID() {
			t.Error("the call does not go on with the caller's trace")
		}
		for _, try := range ended[:3] {
			if try.Parent().SpanID() != call.SpanContext().SpanID() {
				t.Error("a try is no child of its call")
			}
		}
		if got := call.Events()[0].Attributes; fmt.Sprint(sorted(got)) != fmt.Sprint(sorted([]attribute.KeyValue{
			attribute.Int("afloat.attempt", 2), attribute.String("afloat.name", "again"), attribute.String("afloat.policy", "retry"),
			attribute.Float64("afloat.wait", 1), attribute.String("afloat.why", "try 1 failed: down; the next begins in 1s"),
		})) {
			t.Errorf("got %v", got)
		}
	})
}

// TestSpansLeaveTheCallersObserverInPlace has it hear what happens in the call
// and in its tries, each thing once.
func TestSpansLeaveTheCallersObserverInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		breaker := must(policy.NewBreaker(policy.BreakerConfig{ConsecutiveFailures: 2}))
		spans, _ := record(SpansConfig{Breaker: breaker})
		retry := must(policy.NewRetry(policy.RetryConfig{Attempts: 3, Delay: time.Second, Jitter: policy.JitterNone}))
		chain := policy.Chain(spans.Call(), policy.FallbackValue(7), retry, spans.Try(), breaker)
		var heard []string
		ctx := policy.WithObserver(t.Context(), func(e policy.Event) { heard = append(heard, e.Kind) })
		if _, err := policy.Do(ctx, chain, failing); err != nil {
			t.Fatal(err)
		}
		if want := "[retry retry rejected fallback]"; fmt.Sprint(heard) != want {
			t.Errorf("the caller's observer heard %v, want %s", heard, want)
		}
	})
}

func TestHedgesAreSpansBesideTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spans, recorder := record(SpansConfig{})
		hedge := must(policy.NewHedge(policy.HedgeConfig{Delay: time.Second}))
		_, err := policy.Do(t.Context(), policy.Chain(spans.Call(), hedge, spans.Try()), func(ctx context.Context) (int, error) {
			if policy.HedgeTry(ctx) == 0 {
				<-ctx.Done()
				return 0, ctx.Err()
			}
			return 1, nil
		})
		synctest.Wait()
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, s := range recorder.Ended() {
			all = append(all, told(s))
		}
		slices.Sort(all) // the loser ends when it likes
		want := []string{
			"cart try: afloat.attempt=1 afloat.class=ignored error.type=*errors.errorString",
			"cart try: afloat.attempt=1 afloat.class=success afloat.hedge=1",
			"cart: afloat.class=success afloat.hedged=true [hedge] [hedge-won]",
		}
		if diff := cmp.Diff(want, all); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSpanOfACallThatStaysOpenLastsUntilItsEnd(t *testing.T) {
	spans, recorder := record(SpansConfig{})
	_, ending, err := policy.Open(t.Context(), policy.Chain(spans.Call()), working, nil)
	if err != nil || len(recorder.Ended()) != 0 {
		t.Errorf("%v, and %d spans ended before the call", err, len(recorder.Ended()))
	}
	ending.End(errDown)
	wantSpans(t, recorder, "cart: afloat.class=failure error: broken off")
}

func TestSpanOfACallThatPanicsEnds(t *testing.T) {
	spans, recorder := record(SpansConfig{})
	for _, how := range []func(){func() { panic("boom") }, runtime.Goexit} {
		var wg sync.WaitGroup
		wg.Go(func() {
			defer func() { _ = recover() }()
			_, _ = policy.Do(t.Context(), policy.Chain(spans.Call()), func(context.Context) (int, error) { how(); return 0, nil })
		})
		wg.Wait()
	}
	wantSpans(t, recorder, "cart: error: panic", "cart: error: panic")
}

func TestSpansWithoutASDKDoNothing(t *testing.T) {
	spans := must(NewSpans(SpansConfig{Name: "cart"}))
	if v, err := policy.Do(t.Context(), policy.Chain(spans.Call(), spans.Try()), working); v != 1 || err != nil {
		t.Errorf("got %v, %v", v, err)
	}
	if _, err := NewSpans(SpansConfig{}); err == nil {
		t.Error("spans without a name")
	}
}
