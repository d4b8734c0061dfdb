package tsdb_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/afloat-dev/afloat/internal/signal/tsdb"
	"github.com/afloat-dev/afloat/policy"
)

// patience is how long a test waits for what happens by itself.
const patience = 20 * time.Second

// serve runs a store until the test ends or stop is called.
func serve(t *testing.T, o tsdb.Options) (s *tsdb.Store, stop func()) {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	o.Interval = 100 * time.Millisecond
	o.Labels = map[string]string{"instance": "here"}
	s, err := tsdb.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(stop)
	return s, stop
}

// ask returns the samples of an answer, as text.
func ask(t *testing.T, s *tsdb.Store, query string) []string {
	t.Helper()
	vector, err := s.Query(t.Context(), query, time.Now())
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	var out []string
	for _, sample := range vector {
		if sample.H != nil {
			out = append(out, fmt.Sprintf("%s %v observations", sample.Metric, sample.H.Count))
			continue
		}
		out = append(out, fmt.Sprintf("%s %v", sample.Metric, sample.F))
	}
	slices.Sort(out)
	return out
}

// await asks until the answer is the wanted one.
func await(t *testing.T, s *tsdb.Store, query string, want ...string) {
	t.Helper()
	awaitThat(t, s, query, fmt.Sprint(want), func(got []string) bool { return slices.Equal(got, want) })
}

func awaitThat(t *testing.T, s *tsdb.Store, query, want string, good func([]string) bool) {
	t.Helper()
	var got []string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		select {
		case <-s.Ready():
		default:
			continue
		}
		if got = ask(t, s, query); good(got) {
			return
		}
	}
	t.Fatalf("%s: got %v, want %s", query, got, want)
}

func TestStoreAnswersWithWhatWasCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests_total"}, []string{"route"})
	queued := prometheus.NewGauge(prometheus.GaugeOpts{Name: "queued"})
	registry.MustRegister(requests, queued)
	requests.WithLabelValues("cart").Add(3)
	queued.Set(7)
	s, _ := serve(t, tsdb.Options{Gatherer: registry})

	await(t, s, `requests_total`, `{__name__="requests_total", instance="here", job="afloat", route="cart"} 3`)
	await(t, s, `sum by (job) (queued)`, `{job="afloat"} 7`)
	await(t, s, `up`, `{__name__="up", instance="here", job="afloat"} 1`)
	requests.WithLabelValues("cart").Add(2)
	requests.WithLabelValues("pay").Inc()
	await(t, s, `sum by (route) (requests_total)`, `{route="cart"} 5`, `{route="pay"} 1`)
	awaitThat(t, s, `sum(increase(requests_total[1m]))`, "more than none", func(got []string) bool {
		return len(got) == 1 && got[0] != "{} 0"
	})
}

func TestHistogramsAreKeptInBothForms(t *testing.T) {
	registry := prometheus.NewRegistry()
	took := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "took_seconds", Buckets: []float64{.1, 1}, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 50,
	})
	classic := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "classic_seconds", Buckets: []float64{1}})
	summary := prometheus.NewSummary(prometheus.SummaryOpts{Name: "size", Objectives: map[float64]float64{0.5: 0.01}})
	registry.MustRegister(took, classic, summary)
	s, _ := serve(t, tsdb.Options{Gatherer: registry})
	await(t, s, `histogram_count(took_seconds)`, `{instance="here", job="afloat"} 0`)
	for range 10 {
		took.Observe(0.5)
		classic.Observe(2)
		summary.Observe(4)
	}
	took.Observe(3)

	await(t, s, `sum without (job, instance) (took_seconds_bucket)`, `{le="+Inf"} 11`, `{le="0.1"} 0`, `{le="1.0"} 10`)
	await(t, s, `sum without (job, instance) (classic_seconds_bucket)`, `{le="+Inf"} 10`, `{le="1.0"} 0`)
	await(t, s, `sum(took_seconds_sum)`, `{} 8`)
	await(t, s, `sum(took_seconds_count)`, `{} 11`)
	await(t, s, `took_seconds`, `{__name__="took_seconds", instance="here", job="afloat"} 11 observations`)
	awaitThat(t, s, `histogram_quantile(0.5, took_seconds)`, "about 0.5", func(got []string) bool {
		var q float64
		_, err := fmt.Sscanf(strings.TrimPrefix(strings.Join(got, ""), `{instance="here", job="afloat"} `), "%g", &q)
		return err == nil && q > 0.45 && q < 0.55
	})
	await(t, s, `size_count`, `{__name__="size_count", instance="here", job="afloat"} 10`)
	await(t, s, `sum by (quantile) (size)`, `{quantile="0.5"} 4`)
}

func TestSeriesThatVanishAreNotFoundAnyMore(t *testing.T) {
	registry := prometheus.NewRegistry()
	tries := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tries_total"}, []string{"endpoint"})
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "took", Buckets: []float64{1}, NativeHistogramBucketFactor: 1.1}, []string{"endpoint"})
	registry.MustRegister(tries, took)
	for _, endpoint := range []string{"a", "b"} {
		tries.WithLabelValues(endpoint).Inc()
		took.WithLabelValues(endpoint).Observe(1)
	}
	s, _ := serve(t, tsdb.Options{Gatherer: registry})
	await(t, s, `count(tries_total) + count(took) + count(took_bucket)`, `{} 8`)
	tries.DeleteLabelValues("b")
	took.DeleteLabelValues("b")
	await(t, s, `sum by (endpoint) (tries_total)`, `{endpoint="a"} 1`)
	await(t, s, `count(tries_total) + count(took) + count(took_bucket)`, `{} 4`)
	tries.WithLabelValues("b").Add(5)
	await(t, s, `sum by (endpoint) (tries_total)`, `{endpoint="a"} 1`, `{endpoint="b"} 5`)
}

func TestNewSeriesBeyondTheLimitAreDropped(t *testing.T) {
	registry := prometheus.NewRegistry()
	many := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "many"}, []string{"n"})
	registry.MustRegister(many)
	for i := range 50 {
		many.WithLabelValues(fmt.Sprint(i)).Set(1)
	}
	o := tsdb.Options{Gatherer: registry}
	o.SeriesMax = 70
	s, _ := serve(t, o)
	registry.MustRegister(s)
	await(t, s, `sum(afloat_store_dropped_total)`, `{} 0`)
	await(t, s, `count(many)`, `{} 50`)
	for i := range 50 {
		many.WithLabelValues(fmt.Sprint("new", i)).Set(1)
	}
	awaitThat(t, s, `count(many)`, "fewer than 70", func(got []string) bool { return got[0] > "{} 50" && got[0] < "{} 70" })
	if n := s.DB().Head().NumSeries(); n > 70 {
		t.Errorf("%d series in memory, want at most 70", n)
	}
	awaitThat(t, s, `sum(afloat_store_dropped_total{reason="too_many"})`, "more than none", func(got []string) bool {
		return len(got) == 1 && got[0] != "{} 0"
	})
}

func TestQueriesAreBounded(t *testing.T) {
	registry := prometheus.NewRegistry()
	many := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "many"}, []string{"n"})
	registry.MustRegister(many)
	for i := range 30 {
		many.WithLabelValues(fmt.Sprint(i)).Set(1)
	}
	o := tsdb.Options{Gatherer: registry}
	o.Query = tsdb.QueryConfig{SeriesMax: 29, SamplesMax: 25, Timeout: 100 * time.Millisecond}
	s, _ := serve(t, o)
	await(t, s, `many{n="1"}`, `{__name__="many", instance="here", job="afloat", n="1"} 1`)

	var tooMany *tsdb.TooManySeriesError
	if _, err := s.Query(t.Context(), `sum(many)`, time.Now()); !errors.As(err, &tooMany) {
		t.Errorf("30 series: got %v, want a TooManySeriesError", err)
	}
	if _, err := s.Query(t.Context(), `many{n!="1"}`, time.Now()); err == nil || !strings.Contains(err.Error(), "too many samples") {
		t.Errorf("29 series: got %v, want too many samples", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Query(ctx, `many{n="1"}`, time.Now()); !strings.Contains(fmt.Sprint(err), "canceled") {
		t.Errorf("a client that left: got %v", err)
	}
}

func TestStoreThatIsNotOpenSaysSo(t *testing.T) {
	o := tsdb.Options{Dir: t.TempDir(), Gatherer: prometheus.NewRegistry()}
	s, err := tsdb.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Query(t.Context(), `up`, time.Now()); !errors.Is(err, tsdb.ErrNotReady) {
		t.Errorf("query: got %v, want ErrNotReady", err)
	}
	app := s.Appendable().Appender(t.Context())
	if _, err := app.Append(0, s.Labels(), 1, 1); !errors.Is(err, tsdb.ErrNotReady) {
		t.Errorf("append: got %v, want ErrNotReady", err)
	}
	if err := app.Commit(); !errors.Is(err, tsdb.ErrNotReady) {
		t.Errorf("commit: got %v, want ErrNotReady", err)
	}
}

func TestWhatRulesRecordIsFound(t *testing.T) {
	s, _ := serve(t, tsdb.Options{Gatherer: prometheus.NewRegistry()})
	await(t, s, `up`, `{__name__="up", instance="here", job="afloat"} 1`)
	app := s.Appendable().Appender(t.Context())
	if _, err := app.Append(0, recorded("service:errors:ratio", "service", "cart"), time.Now().UnixMilli(), 0.25); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	await(t, s, `service:errors:ratio`, `{__name__="service:errors:ratio", service="cart"} 0.25`)
}

func TestConfigIsChecked(t *testing.T) {
	c := tsdb.Config{
		Interval: time.Millisecond, Retention: time.Minute, SizeBytes: 1, SeriesMax: -1,
		Labels: map[string]string{"a-b": "c", "__name__": "x"},
		Query:  tsdb.QueryConfig{Timeout: time.Hour, SeriesMax: -1, SamplesMax: -1, ParallelMax: -1},
	}
	joined, ok := c.Validate().(interface{ Unwrap() []error })
	if !ok {
		t.Fatal("nothing was found")
	}
	var fields []string
	for _, err := range joined.Unwrap() {
		var field *policy.FieldError
		if !errors.As(err, &field) {
			t.Fatalf("%v is no FieldError", err)
		}
		fields = append(fields, field.Field)
	}
	want := []string{"interval", "retention", "sizeBytes", "seriesMax", "labels", "labels",
		"query.timeout", "query.seriesMax", "query.samplesMax", "query.parallelMax"}
	if !slices.Equal(fields, want) {
		t.Errorf("got %v, want %v", fields, want)
	}
	if err := (tsdb.Config{}).Validate(); err != nil {
		t.Errorf("the zero Config: %v", err)
	}
	if err := (tsdb.Config{}).WithDefaults().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}

// awaitFailure waits until something has failed.
func awaitFailure(t *testing.T, registry *prometheus.Registry, doing string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.Metric {
				if f.GetName() == "afloat_store_failures_total" && m.Label[0].GetValue() == doing && m.GetCounter().GetValue() > 0 {
					return
				}
			}
		}
	}
	t.Fatalf("to %s did not fail", doing)
}
