package docs_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

const observersPage = "docs/observers.md"

var eventsTable = regexp.MustCompile(`(?s)<!-- events -->\n(.*?)<!-- end -->`)

// TestObserversPageListsEveryEvent makes every event happen, and holds the
// page's table against them. With -update it writes the table.
func TestObserversPageListsEveryEvent(t *testing.T) {
	seen := map[string]*sighting{}
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		everyEvent(t, func(e policy.Event) {
			mu.Lock()
			defer mu.Unlock()
			s := seen[e.Kind]
			if s == nil {
				s = &sighting{policies: map[string]bool{}, fields: map[string]bool{}}
				seen[e.Kind] = s
			}
			s.take(t, e)
		})
	})
	out := "| Kind | Of | Told | With | Meaning |\n|---|---|---|---|---|\n"
	for _, k := range eventKinds(t) {
		s := seen[k.name]
		if s == nil {
			t.Errorf("no %q happened", k.name)
			continue
		}
		told := "one by one"
		if s.together {
			told = "together"
		}
		fields := slices.DeleteFunc([]string{"From", "To", "Key", "Attempt", "Wait", "Class", "Err"}, func(f string) bool { return !s.fields[f] })
		out += fmt.Sprintf("| `%s` | %s | %s | %s | %s |\n", k.name, strings.Join(slices.Sorted(maps.Keys(s.policies)), ", "), told, strings.Join(fields, ", "), strings.ToUpper(k.meaning[:1])+k.meaning[1:])
		delete(seen, k.name)
	}
	for kind := range seen {
		t.Errorf("%q is no constant of package policy", kind)
	}
	text, err := os.ReadFile(filepath.Join(root, observersPage))
	if err != nil {
		t.Fatal(err)
	}
	p := page{name: observersPage, text: string(text)}
	if !eventsTable.MatchString(p.text) {
		t.Fatalf("%s has no table of events", observersPage)
	}
	settle(t, p, eventsTable.ReplaceAllLiteralString(p.text, "<!-- events -->\n"+out+"<!-- end -->"))
}

// sighting is what was seen of a kind of events.
type sighting struct {
	policies, fields map[string]bool
	together         bool
}

func (s *sighting) take(t *testing.T, e policy.Event) {
	if e.Policy == "" || e.Name != "shop" || e.Why == "" || e.At.IsZero() || e.Count < 1 {
		t.Errorf("incomplete: %+v", e)
	}
	s.policies[e.Policy] = true
	s.together = s.together || e.Count > 1
	v := reflect.ValueOf(e)
	for i := range v.NumField() {
		if !v.Field(i).IsZero() {
			s.fields[v.Type().Field(i).Name] = true
		}
	}
}

// eventKinds reads the constants and their comments.
func eventKinds(t *testing.T) (kinds []struct{ name, meaning string }) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "policy/observe.go"), nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	brackets := strings.NewReplacer("[", "`", "]", "`", "\n", " ")
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Event") {
			return true
		}
		name, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		_, meaning, _ := strings.Cut(brackets.Replace(strings.TrimSpace(spec.Doc.Text())), ": ")
		kinds = append(kinds, struct{ name, meaning string }{name, meaning})
		return true
	})
	if len(kinds) < 15 {
		t.Fatalf("found %d kinds of events, want more", len(kinds))
	}
	return kinds
}

var errDown = errors.New("down")

func down(context.Context) (int, error) { return 0, errDown }
func fine(context.Context) (int, error) { return 1, nil }
func slow(ctx context.Context) (int, error) {
	time.Sleep(2 * time.Millisecond)
	return 1, ctx.Err()
}

// must returns the policy of a Config that is valid.
func must[P any](p P, err error) P {
	if err != nil {
		panic(err)
	}
	return p
}

// everyEvent makes everything happen that policies tell of: what happens to
// calls a few times within a second, then all is told.
func everyEvent(t *testing.T, o policy.Observer) {
	ctx := policy.WithObserver(policy.WithKey(t.Context(), "k"), o) // those of calls, one by one
	for _, run := range []func(context.Context, policy.Observer){refusing, repeating, replacing, keyed, moving} {
		for range 3 {
			run(ctx, o)
		}
		time.Sleep(3 * time.Second)
	}
}

// call runs a function a few times.
func call(ctx context.Context, p policy.Policy, fn func(context.Context) (int, error)) {
	for range 4 {
		_, _ = policy.Do(ctx, p, fn)
	}
}

func refusing(ctx context.Context, o policy.Observer) {
	call(ctx, must(policy.NewBreaker(policy.BreakerConfig{Name: "shop", ConsecutiveFailures: 1, Observer: o})), down)

	bulkhead := must(policy.NewBulkhead(policy.BulkheadConfig{Name: "shop", MaxConcurrent: 1, Observer: o}))
	_, _ = bulkhead.TryAcquire()
	call(ctx, bulkhead, fine)

	adaptive := must(policy.NewAdaptive(policy.AdaptiveConfig{Name: "shop", Min: 1, Initial: 1, QueueMax: -1, Observer: o}))
	_, _ = adaptive.Acquire(ctx)
	call(ctx, adaptive, fine)

	call(ctx, must(policy.NewRateLimit(policy.RateLimitConfig{Name: "shop", Requests: 1, Observer: o})), fine)

	throttle := must(policy.NewThrottle(policy.ThrottleConfig{Name: "shop", K: 1, MinimumCalls: 1, MinPerSecond: -1, Observer: o}))
	for range 10_000 {
		if permit, err := throttle.Allow(); err == nil {
			permit.Done(policy.Shed)
		}
	}

	call(ctx, must(policy.NewFault(policy.FaultConfig{Name: "shop", Observer: o,
		Delay: policy.FaultDelay{Share: 1, Duration: time.Millisecond}, Abort: policy.FaultAbort{Share: 1}})), fine)
}

func repeating(ctx context.Context, o policy.Observer) {
	call(ctx, must(policy.NewRetry(policy.RetryConfig{Name: "shop", Delay: time.Millisecond, Observer: o})), down)
	call(ctx, must(policy.NewHedge(policy.HedgeConfig{Name: "shop", Delay: time.Millisecond, Observer: o})), func(ctx context.Context) (int, error) {
		if policy.HedgeTry(ctx) == 0 {
			return slow(ctx)
		}
		return 1, nil
	})
	call(ctx, must(policy.NewHedge(policy.HedgeConfig{Name: "shop", Delay: time.Millisecond, Budget: policy.BudgetConfig{MinPerSecond: -1}, Observer: o})), slow)
	call(ctx, must(policy.NewTimeout(policy.TimeoutConfig{Name: "shop", Timeout: time.Millisecond, Detached: true, Observer: o})), func(context.Context) (int, error) {
		time.Sleep(2 * time.Millisecond)
		panic("late")
	})
	call(ctx, must(policy.NewTimeout(policy.TimeoutConfig{Name: "shop", Timeout: time.Millisecond, Detached: true, AbandonedMax: 1, Observer: o})), func(context.Context) (int, error) {
		time.Sleep(time.Second)
		return 1, nil
	})
	call(ctx, must(policy.NewHedge(policy.HedgeConfig{Name: "shop", Delay: time.Millisecond, Observer: o})), func(ctx context.Context) (int, error) {
		if policy.HedgeTry(ctx) == 0 {
			<-ctx.Done()
			panic("late")
		}
		return 1, nil
	})
}

func replacing(ctx context.Context, o policy.Observer) {
	f := must(policy.FallbackWith(policy.FallbackConfig{Name: "shop", Observer: o, Replace: func(_ context.Context, r policy.Result) policy.Result {
		if r.Class == policy.Shed {
			return r
		}
		return policy.Result{Value: 2}
	}}))
	call(ctx, f, down)
	call(ctx, f, func(context.Context) (int, error) { return 0, &policy.Rejected{Reason: policy.ErrFull} })

	cache := must(policy.NewCache(policy.CacheConfig{Name: "shop", TTL: time.Millisecond, StaleWhileRevalidate: 2 * time.Millisecond,
		StaleIfError: time.Hour, EntriesMax: 1, Observer: o}))
	for range 3 {
		call(policy.WithKey(ctx, "other"), cache, fine)
		call(ctx, cache, fine)
		time.Sleep(time.Millisecond)
		for range 2 {
			call(ctx, cache, down)
			time.Sleep(2 * time.Millisecond)
		}
		time.Sleep(10 * time.Millisecond)
		call(ctx, cache, down)
		cache.Clear()
	}
	flights := must(policy.NewSingleflight(policy.SingleflightConfig{Name: "shop", Observer: o}))
	shared := must(policy.NewCache(policy.CacheConfig{Name: "shop", Observer: o}))
	for range 4 {
		go call(ctx, flights, slow)
		go call(ctx, shared, slow)
	}
	time.Sleep(10 * time.Millisecond)
	for _, p := range []policy.Policy{flights, must(policy.NewCache(policy.CacheConfig{Name: "shop", Observer: o}))} {
		within, cancel := context.WithTimeout(ctx, time.Millisecond)
		call(within, p, func(ctx context.Context) (int, error) { <-ctx.Done(); panic("late") })
		cancel()
	}
}

func keyed(ctx context.Context, o policy.Observer) {
	breakers := must(policy.NewKeyedBreaker(policy.KeyedBreakerConfig{KeysMax: 1, Breaker: policy.BreakerConfig{Name: "shop", ConsecutiveFailures: 1, Observer: o}}))
	for i := range 5 {
		_, _ = policy.Do(policy.WithKey(ctx, strconv.Itoa(i)), breakers, fine)
	}
	for i := range 5 {
		call(policy.WithKey(ctx, strconv.Itoa(i)), breakers, down)
	}
	limits := must(policy.NewKeyedRateLimit(policy.KeyedRateLimitConfig{Name: "shop", Requests: 1, KeysMax: 1, Observer: o}))
	for i := range 10 {
		_ = limits.Allow(strconv.Itoa(i))
	}
}

// moving has limits that change by themselves.
func moving(ctx context.Context, o policy.Observer) {
	share := 1.0
	limit := must(policy.NewRateLimit(policy.RateLimitConfig{Name: "shop", Requests: 1000, Observer: o, Scale: func() float64 { return share }}))
	call(ctx, limit, fine)
	share = 0.1
	time.Sleep(time.Second)
	call(ctx, limit, fine)

	adaptive := must(policy.NewAdaptive(policy.AdaptiveConfig{Name: "shop", Algorithm: policy.AdaptiveAIMD, LatencyMax: time.Millisecond, Initial: 100, Observer: o}))
	for range 10_000 {
		permits := make([]policy.AdaptivePermit, 60)
		for i := range permits {
			permits[i], _ = adaptive.Acquire(ctx)
		}
		time.Sleep(2 * time.Millisecond)
		for i := range permits {
			permits[i].Done(policy.Success)
		}
		if adaptive.Status().Limit < 50 {
			break
		}
	}
}
