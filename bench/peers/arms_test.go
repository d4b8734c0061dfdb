// Package peers measures Afloat's policies beside other Go libraries, in one
// run on one machine, so that ratios mean something.
package peers

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// An arm is one library doing the work of a benchmark once. It reports whether
// the call was let through and did its work.
type arm struct {
	name string
	run  func(context.Context) bool
}

// race measures all arms of a benchmark. At -cpu 1 it is serial; at -cpu 2 two
// goroutines share the policy.
func race(b *testing.B, arms []arm) {
	for _, arm := range arms {
		b.Run(arm.name, func(b *testing.B) {
			b.ReportAllocs()
			begin, before := time.Now(), waitedForCores()
			b.RunParallel(func(pb *testing.PB) {
				ctx := context.Background()
				for pb.Next() {
					arm.run(ctx)
				}
			})
			if *waited {
				b.ReportMetric(float64(waitedForCores()-before)/float64(time.Since(begin)), "waited")
			}
		})
	}
}

var waited = flag.Bool("waited", false, "report for what part of its time an arm waited for a core, as others had it")

// waitedForCores is how long the program's threads were ready to run and did not.
func waitedForCores() (total time.Duration) {
	files, _ := filepath.Glob("/proc/self/task/*/schedstat")
	for _, file := range files {
		var ran, waited time.Duration
		text, _ := os.ReadFile(file)
		if _, err := fmt.Sscan(string(text), &ran, &waited); err == nil {
			total += waited
		}
	}
	return total
}

func BenchmarkBreakerConsecutive(b *testing.B) { race(b, breakerConsecutive(b)) }
func BenchmarkBreakerWindow(b *testing.B)      { race(b, breakerWindow(b)) }
func BenchmarkBreakerOpen(b *testing.B)        { race(b, breakerOpen(b)) }
func BenchmarkRetry(b *testing.B)              { race(b, retries(b)) }
func BenchmarkBulkhead(b *testing.B)           { race(b, bulkheads(b)) }
func BenchmarkBulkheadFull(b *testing.B)       { race(b, bulkheadsFull(b)) }
func BenchmarkAdaptive(b *testing.B)           { race(b, adaptives(b)) }
func BenchmarkRateLimit(b *testing.B)          { race(b, rateLimits(b)) }
func BenchmarkRateLimitReached(b *testing.B)   { race(b, rateLimitsReached(b)) }
func BenchmarkKeyed10k(b *testing.B)           { race(b, keyed(10_000)(b)) }
func BenchmarkKeyed1M(b *testing.B)            { race(b, keyed(1_000_000)(b)) }
func BenchmarkChain2(b *testing.B)             { race(b, chainOfTwo(b)) }
func BenchmarkChain3(b *testing.B)             { race(b, chainOfThree(b)) }
func BenchmarkChain4(b *testing.B)             { race(b, chainOfFour(b)) }
func BenchmarkTimeout(b *testing.B)            { race(b, timeouts(b)) }

// TestArmsDoTheirWork keeps the benchmarks honest: an arm that is refused where
// it should pass, or the other way round, would measure another thing.
func TestArmsDoTheirWork(t *testing.T) {
	tests := []struct {
		name   string
		arms   func(testing.TB) []arm
		passes bool
	}{
		{"BreakerConsecutive", breakerConsecutive, true},
		{"BreakerWindow", breakerWindow, true},
		{"BreakerOpen", breakerOpen, false},
		{"Retry", retries, true},
		{"Bulkhead", bulkheads, true},
		{"BulkheadFull", bulkheadsFull, false},
		{"Adaptive", adaptives, true},
		{"RateLimit", rateLimits, true},
		{"RateLimitReached", rateLimitsReached, false},
		{"Keyed10k", keyed(10_000), true},
		{"Chain2", chainOfTwo, true},
		{"Chain3", chainOfThree, true},
		{"Chain4", chainOfFour, true},
		{"Timeout", timeouts, true},
	}
	for _, test := range tests {
		for _, arm := range test.arms(t) {
			for range 100 {
				if passed := arm.run(t.Context()); passed != test.passes {
					t.Errorf("%s/%s: passed %v, want %v", test.name, arm.name, passed, test.passes)
					break
				}
			}
		}
	}
}

// reply is what the protected function returns: a pointer, as most clients do.
type reply struct{ status int }

var answer = &reply{200}

// work is the protected function of the libraries that pass a context, and
// workAlone that of the others.
func work(context.Context) (*reply, error) { return answer, nil }
func workAlone() (*reply, error)           { return answer, nil }
func workOnly() error                      { return nil }

// workDone asks its context whether it is over.
func workDone(ctx context.Context) (*reply, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	default:
		return answer, nil
	}
}

// workValue returns a value that is not a pointer.
func workValue(context.Context) (int, error) { return 1 << 20, nil }

// must returns the value of a constructor.
func must[T any](tb testing.TB) func(T, error) T {
	return func(v T, err error) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}
