package simulate

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/internal/chart"
	"github.com/afloat-dev/afloat/policy"
	"github.com/afloat-dev/afloat/policyhttp"
)

const hopCount = 5

// memory sends requests to a handler without a network between them.
type memory struct{ http.Handler }

func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	return w.Result(), nil
}

// hops is a chain of services, each of which calls the next for every request
// and repeats what fails. The last fails always. It returns the first, and
// counts what reaches each.
func hops(header string, budget policy.BudgetConfig) (first http.RoundTripper, reached *[hopCount]atomic.Int64) {
	reached = new([hopCount]atomic.Int64)
	var next http.RoundTripper
	for hop := hopCount - 1; ; hop-- {
		further := next
		handler, err := policyhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			reached[hop].Add(1)
			if further != nil {
				fetch(further, r)
			}
			w.WriteHeader(http.StatusInternalServerError)
		}), policyhttp.HandlerConfig{AttemptHeader: header})
		if err != nil {
			panic(err)
		}
		transport, err := policyhttp.NewTransport(policyhttp.TransportConfig{Base: memory{handler}, AttemptHeader: header,
			Policies: []policy.Policy{must(policy.NewRetry(policy.RetryConfig{Attempts: naiveTries - 1, Budget: budget}))}})
		if err != nil {
			panic(err)
		}
		next = transport
		if hop == 0 {
			return next, reached
		}
	}
}

// fetch makes a request of one's own for the one that is served.
func fetch(over http.RoundTripper, r *http.Request) {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://memory/", nil)
	if err != nil {
		panic(err)
	}
	if response, err := over.RoundTrip(request); err == nil {
		_ = response.Body.Close()
	}
}

// TestStormOfRetries counts what comes of a failure at the end of five hops
// whose every one repeats what fails.
func TestStormOfRetries(t *testing.T) {
	off := policy.BudgetConfig{Off: true}
	w := table{name: "storm", head: []string{"Each hop has"}}
	for hop := range hopCount {
		w.head = append(w.head, fmt.Sprintf("hop %d", hop+1))
	}
	c := chart.Chart{Title: "Calls for one of a user, when the last of five hops fails", X: "hop", Y: "calls", XMost: hopCount, XTick: 1,
		YMost: hopCount, YTick: 1, Label: func(y float64) string { return fmt.Sprintf("%gx", math.Pow(naiveTries, y)) }}
	for _, test := range []struct {
		name   string
		header string
		budget policy.BudgetConfig
		calls  int
		most   float64 // for one
	}{
		{"three tries", policyhttp.NoHeader, off, 50, 243},
		{"three tries, attempt header", "", off, 500, 3},
		{"a budget of 20%", policyhttp.NoHeader, policy.BudgetConfig{}, 2000, 3}, // 1.2 to the fifth, and 3 a second at each
		{"a budget, attempt header", "", policy.BudgetConfig{}, 2000, 1.25},
	} {
		synctest.Test(t, func(t *testing.T) {
			first, reached := hops(test.header, test.budget)
			var calls sync.WaitGroup
			for range test.calls {
				time.Sleep(10 * time.Millisecond)
				calls.Go(func() { fetch(first, httptest.NewRequest("GET", "/", nil)) })
			}
			calls.Wait()
			cells, l := []string{test.name}, chart.Line{Name: test.name, Points: []chart.Point{{}}}
			times := 0.
			for hop := range reached {
				times = float64(reached[hop].Load()) / float64(test.calls)
				cells = append(cells, fmt.Sprintf("%.2fx", times))
				l.Points = append(l.Points, chart.Point{X: float64(hop + 1), Y: math.Log(times) / math.Log(naiveTries)})
			}
			if times > test.most || times <= 1 || strings.HasPrefix(test.name, "three tries") && times != test.most {
				t.Errorf("%s: %.2f calls reach the last hop for one, want at most %v", test.name, times, test.most)
			}
			w.rows = append(w.rows, cells)
			c.Lines = append(c.Lines, l)
		})
	}
	w.settle(t)
	picture(t, "overload-storm.svg", "How many calls reach each of five hops for one of a user. Three tries at each hop make 243 of it; a budget and the attempt header at most one and a quarter.", c)
}
