package promapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/afloat-dev/afloat/internal/signal/promapi"
	"github.com/afloat-dev/afloat/internal/signal/tsdb"
)

// patience is how long a test waits for what happens by itself.
const patience = 20 * time.Second

// newStore runs a store of two routes until the test ends.
func newStore(t *testing.T, edit func(*tsdb.Options)) *tsdb.Store {
	t.Helper()
	registry := prometheus.NewRegistry()
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "afloat_requests_total", Help: "Requests that ended."}, []string{"route"})
	took := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "afloat_request_duration_seconds", Help: "Time.", Buckets: []float64{.1, 1}, NativeHistogramBucketFactor: 1.1,
	})
	registry.MustRegister(requests, took)
	requests.WithLabelValues("cart").Add(3)
	requests.WithLabelValues("pay").Add(4)
	o := tsdb.Options{Dir: t.TempDir(), Gatherer: registry, Log: slog.New(slog.DiscardHandler)}
	o.Interval = 100 * time.Millisecond
	o.Labels = map[string]string{"instance": "here"}
	if edit != nil {
		edit(&o)
	}
	s, err := tsdb.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	<-s.Ready()
	took.(prometheus.ExemplarObserver).ObserveWithExemplar(0.2, prometheus.Labels{"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"})
	return s
}

// gathered waits until a store has something to tell: an example comes after the request that it is of was counted.
func gathered(t *testing.T, s *tsdb.Store) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if v, err := s.Query(t.Context(), "afloat_requests_total and on() afloat_request_duration_seconds_count == 1", time.Now()); err != nil || len(v) != 2 {
			continue
		}
		if q, err := s.Exemplars().ExemplarQuerier(t.Context()); err == nil {
			of := labels.MustNewMatcher(labels.MatchEqual, "__name__", "afloat_request_duration_seconds_bucket")
			if e, err := q.Select(0, math.MaxInt64, []*labels.Matcher{of}); err == nil && len(e) > 0 {
				return
			}
		}
	}
	t.Fatal("the store has gathered nothing")
}

func serve(t *testing.T, s *tsdb.Store) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(promapi.Handler(promapi.Options{Store: s, Address: "127.0.0.1:9900", Version: "v1.2.3", Revision: "abc", Started: time.Now()}))
	t.Cleanup(server.Close)
	return server
}

// call returns the data of a call that must succeed.
func call(t *testing.T, server *httptest.Server, method, path string, form url.Values) any {
	t.Helper()
	status, answer := request(t, server, method, path, form)
	if status != http.StatusOK || answer["status"] != "success" {
		t.Fatalf("%s %s: got %d %v", method, path, status, answer)
	}
	return answer["data"]
}

func request(t *testing.T, server *httptest.Server, method, path string, form url.Values) (int, map[string]any) {
	t.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	} else if len(form) > 0 {
		path += "?" + form.Encode()
	}
	root := promapi.Prefix
	if strings.HasPrefix(path, "/-/") {
		root = promapi.Root
	}
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+root+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer := map[string]any{}
	if err := json.Unmarshal(text, &answer); err != nil {
		answer["text"] = string(text)
	}
	return resp.StatusCode, answer
}

// TestGrafanasDataSourceIsServed sends what Grafana's data source for
// Prometheus sends: when it is saved, when a query is written, when a panel is
// drawn, and when a dashboard's variables are filled in.
func TestGrafanasDataSourceIsServed(t *testing.T) {
	s := newStore(t, nil)
	gathered(t, s)
	server := serve(t, s)
	now := time.Now()
	span := url.Values{"start": {fmt.Sprint(now.Add(-time.Hour).Unix())}, "end": {fmt.Sprint(now.Add(time.Minute).Unix())}}
	with := func(more ...string) url.Values {
		form := url.Values{}
		for k, v := range span {
			form[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			form.Add(more[i], more[i+1])
		}
		return form
	}

	// "Save & test".
	build := call(t, server, "GET", "/status/buildinfo", nil).(map[string]any)
	if major, minor, ok := strings.Cut(fmt.Sprint(build["version"]), "."); !ok || !strings.Contains(requirements(t), fmt.Sprintf("github.com/prometheus/prometheus v0.%s%s\n", major, minor)) {
		t.Errorf("buildinfo: version %v is not that of the Prometheus inside", build["version"])
	}
	test := call(t, server, "POST", "/query", url.Values{"query": {"1+1"}, "time": {fmt.Sprint(now.Unix())}}).(map[string]any)
	if got := fmt.Sprint(test["result"].([]any)[1]); got != "2" {
		t.Errorf("1+1: got %s", got)
	}

	// The editor: metrics, their descriptions, labels and their values.
	if names := call(t, server, "GET", "/label/__name__/values", with("limit", "40000")); !contains(names, "afloat_requests_total") {
		t.Errorf("names: %v", names)
	}
	meta := call(t, server, "GET", "/metadata", url.Values{"limit": {"40000"}, "limit_per_metric": {"1"}}).(map[string]any)
	if got := fmt.Sprint(meta["afloat_requests_total"]); !strings.Contains(got, "counter") || !strings.Contains(got, "Requests that ended.") {
		t.Errorf("metadata: %s", got)
	}
	if names := call(t, server, "POST", "/labels", with("match[]", `{__name__="afloat_requests_total"}`)); !contains(names, "route") || contains(names, "le") {
		t.Errorf("labels: %v", names)
	}
	if values := call(t, server, "GET", "/label/route/values", with("match[]", `{__name__="afloat_requests_total"}`)); !contains(values, "cart") || !contains(values, "pay") {
		t.Errorf("values: %v", values)
	}
	if series := call(t, server, "POST", "/series", with("match[]", `afloat_requests_total{route="cart"}`)).([]any); len(series) != 1 {
		t.Errorf("series: %v", series)
	}

	// A panel: a query over a time, and one of a moment for a table.
	matrix := call(t, server, "POST", "/query_range", with("query", `sum by (route) (afloat_requests_total)`, "step", "15")).(map[string]any)
	if got := matrix["result"].([]any); matrix["resultType"] != "matrix" || len(got) != 2 {
		t.Errorf("query_range: %v", matrix)
	}
	vector := call(t, server, "POST", "/query", url.Values{"query": {`histogram_count(afloat_request_duration_seconds)`}, "time": {fmt.Sprint(now.Add(time.Second).Unix())}}).(map[string]any)
	if got := vector["result"].([]any); len(got) != 1 {
		t.Errorf("query: %v", vector)
	}
	exemplars := call(t, server, "POST", "/query_exemplars", with("query", `histogram_quantile(0.99, rate(afloat_request_duration_seconds_bucket[1m]))`)).([]any)
	if len(exemplars) != 1 || fmt.Sprint(exemplars[0].(map[string]any)["seriesLabels"].(map[string]any)["le"]) != "1.0" {
		t.Fatalf("exemplars: %v", exemplars)
	}
	example := exemplars[0].(map[string]any)["exemplars"].([]any)[0].(map[string]any)
	if at := example["timestamp"].(float64); example["value"] != "0.2" || math.Abs(at-float64(now.Unix())) > 60 ||
		fmt.Sprint(example["labels"]) != "map[trace_id:4bf92f3577b34da6a3ce929d0e0e4736]" {
		t.Errorf("exemplar: %v", example)
	}
	if got := call(t, server, "GET", "/format_query", url.Values{"query": {`sum(afloat_requests_total)by(route)`}}); got != "sum by (route) (afloat_requests_total)" {
		t.Errorf("format_query: %v", got)
	}

	// Its page of alerts.
	if got := call(t, server, "GET", "/rules", nil).(map[string]any); len(got["groups"].([]any)) != 0 {
		t.Errorf("rules: %v", got)
	}
	if got := call(t, server, "GET", "/alerts", nil).(map[string]any); len(got["alerts"].([]any)) != 0 {
		t.Errorf("alerts: %v", got)
	}
	targets := fmt.Sprint(call(t, server, "GET", "/targets", url.Values{"state": {"active"}}))
	if !strings.Contains(targets, "health:up") || !strings.Contains(targets, "instance:here") {
		t.Errorf("targets: %s", targets)
	}
	for _, path := range []string{"/status/runtimeinfo", "/status/flags", "/status/tsdb", "/status/config", "/alertmanagers"} {
		call(t, server, "GET", path, nil)
	}
}

// requirements are the module's.
func requirements(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func contains(list any, want string) bool {
	all, _ := list.([]any)
	return slices.Contains(all, any(want))
}

func TestNothingCanBeChanged(t *testing.T) {
	s := newStore(t, nil)
	gathered(t, s)
	server := serve(t, s)
	for _, path := range []string{"/write", "/otlp/v1/metrics", "/admin/tsdb/delete_series?match[]=up", "/admin/tsdb/clean_tombstones", "/admin/tsdb/snapshot"} {
		if status, answer := request(t, server, "POST", path, nil); status < 400 {
			t.Errorf("POST %s: got %d %v", path, status, answer)
		}
	}
	gathered(t, s)
}

func TestWrongAndCostlyQueriesAreRefused(t *testing.T) {
	s := newStore(t, func(o *tsdb.Options) { o.Query.SeriesMax = 3 })
	gathered(t, s)
	server := serve(t, s)
	for query, want := range map[string]int{
		"sum(":           http.StatusBadRequest,
		`{job="afloat"}`: http.StatusUnprocessableEntity,
		"up":             http.StatusOK,
	} {
		if status, answer := request(t, server, "GET", "/query", url.Values{"query": {query}}); status != want {
			t.Errorf("%s: got %d, want %d: %v", query, status, want, answer)
		}
	}
	if status, _ := request(t, server, "POST", "/query", url.Values{"query": {strings.Repeat(" ", 2<<20) + "up"}}); status < 400 {
		t.Errorf("a query of 2 MB: got %d", status)
	}
}

// TestStoreThatIsNotOpenIsUnavailable: a client asks again later.
func TestStoreThatIsNotOpenIsUnavailable(t *testing.T) {
	s, err := tsdb.New(tsdb.Options{Dir: t.TempDir(), Gatherer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	server := serve(t, s)
	for _, path := range []string{"/query?query=up", "/labels", "/status/tsdb", "/status/buildinfo", "/-/ready"} {
		if status, _ := request(t, server, "GET", path, nil); status != http.StatusServiceUnavailable {
			t.Errorf("%s: got %d, want 503", path, status)
		}
	}
	if status, _ := request(t, server, "GET", "/-/healthy", nil); status != http.StatusOK {
		t.Errorf("healthy: got %d", status)
	}
	open := newStore(t, nil)
	gathered(t, open)
	if status, _ := request(t, serve(t, open), "GET", "/-/ready", nil); status != http.StatusOK {
		t.Errorf("ready: got %d", status)
	}
}

// TestQueriesWaitForTheirTurn fills the one place with a query whose body does
// not come to an end, and lets it end.
func TestQueriesWaitForTheirTurn(t *testing.T) {
	s := newStore(t, func(o *tsdb.Options) {
		o.Query.ParallelMax = 1
		o.Query.Timeout = 200 * time.Millisecond
	})
	gathered(t, s)
	server := serve(t, s)
	body, end := io.Pipe()
	first := make(chan error, 1)
	go func() {
		res, err := http.Post(server.URL+promapi.Prefix+"/query", "application/x-www-form-urlencoded", body)
		if err == nil {
			err = res.Body.Close()
		}
		first <- err
	}()
	for ended := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if status, answer := request(t, server, "GET", "/query", url.Values{"query": {"up"}}); status == http.StatusServiceUnavailable {
			if answer["errorType"] != "unavailable" {
				t.Errorf("got %v", answer)
			}
			break
		}
		if time.Now().After(ended) {
			t.Fatal("two queries at a time")
		}
	}
	call(t, server, "GET", "/status/buildinfo", nil) // costs nothing, so it need not wait
	_, _ = end.Write([]byte("query=up"))
	_ = end.Close()
	if err := <-first; err != nil {
		t.Error(err)
	}
	call(t, server, "GET", "/query", url.Values{"query": {"up"}})
}

// deadlines notes until when an answer may be written.
type deadlines struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error { d.until = t; return nil }

// TestQueriesHaveTheTimeThatTheyMayTake for their turn and themselves, whatever
// the server gives other answers.
func TestQueriesHaveTheTimeThatTheyMayTake(t *testing.T) {
	const timeout = 10 * time.Minute
	s := newStore(t, func(o *tsdb.Options) { o.Query.Timeout = timeout })
	h := promapi.Handler(promapi.Options{Store: s, Started: time.Now()})
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	began := time.Now()
	h.ServeHTTP(w, httptest.NewRequest("GET", promapi.Prefix+"/query?query=1", nil))
	if w.Code != http.StatusOK || w.until.Before(began.Add(2*timeout)) {
		t.Errorf("got %d, with time until %v after it came", w.Code, w.until.Sub(began))
	}
}
