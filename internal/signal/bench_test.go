package signal_test

import (
	"io"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal"
	"github.com/afloat-dev/afloat/policy"
)

// record is a request as the gateway would tell of it.
func record() *gateway.Record {
	return &gateway.Record{
		Start:     time.Date(2026, 3, 1, 12, 0, 0, 250e6, time.UTC),
		Duration:  3200 * time.Microsecond,
		FirstByte: 2900 * time.Microsecond,
		Client:    netip.MustParseAddrPort("127.0.0.1:50412"),
		Listener:  "127.0.0.1:8080", Method: "GET",
		Host: []byte("shop.example"), Path: []byte("/cart/items/17"),
		Route: "checkout", Service: "cart", Endpoint: "127.0.0.1:9001",
		Status: 200, Tries: 1, RequestBytes: 120, ResponseBytes: 1024,
	}
}

// benchmark tells an observer of requests of 256 different durations, one try
// each, on one goroutine.
func benchmark(b *testing.B, o gateway.Observer) {
	request, try := o.Route("checkout", "cart"), o.Endpoint("cart", "127.0.0.1:9001")
	r := record()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		r.Duration = time.Duration(i&255+1) * 97 * time.Microsecond
		i++
		try.Try(policy.Success, r.Duration)
		request.Request(r)
	}
}

func BenchmarkMetrics(b *testing.B) { benchmark(b, signal.NewMetrics(signal.MetricsConfig{})) }

// vectors are the same metrics by client_golang.
type vectors struct {
	requests, received, sent, tries *prometheus.CounterVec
	took, tryTook                   *prometheus.HistogramVec
}

func newVectors() vectors {
	counter := func(name string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name}, labels)
	}
	histogram := func(name string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Buckets: prometheus.DefBuckets, NativeHistogramBucketFactor: 1.1}, labels)
	}
	return vectors{
		counter("a", "route", "service", "code"), counter("b", "route", "service"), counter("c", "route", "service"),
		counter("d", "service", "endpoint", "class"), histogram("e", "route", "service"), histogram("f", "service", "endpoint"),
	}
}

// BenchmarkNaive looks the names up for each request and each try, as most
// programs do.
func BenchmarkNaive(b *testing.B) { benchmark(b, newVectors()) }

// Route is part of [gateway.Observer].
func (v vectors) Route(string, string) gateway.RequestObserver { return v }

// Endpoint is part of [gateway.Observer].
func (v vectors) Endpoint(string, string) gateway.TryObserver { return v }

// Event is part of [gateway.Observer].
func (vectors) Event(gateway.Event) {}

// Try counts a try.
func (v vectors) Try(class policy.Class, took time.Duration) {
	v.tries.WithLabelValues("cart", "127.0.0.1:9001", class.String()).Inc()
	v.tryTook.WithLabelValues("cart", "127.0.0.1:9001").Observe(took.Seconds())
}

// Request counts a request.
func (v vectors) Request(r *gateway.Record) {
	v.requests.WithLabelValues(r.Route, r.Service, strconv.Itoa(r.Status)).Inc()
	v.took.WithLabelValues(r.Route, r.Service).Observe(r.Duration.Seconds())
	v.received.WithLabelValues(r.Route, r.Service).Add(float64(r.RequestBytes))
	v.sent.WithLabelValues(r.Route, r.Service).Add(float64(r.ResponseBytes))
}

// BenchmarkResolved looks them up once.
func BenchmarkResolved(b *testing.B) {
	v, r := newVectors(), record()
	tries, tryTook := v.tries.WithLabelValues("cart", "127.0.0.1:9001", "success"), v.tryTook.WithLabelValues("cart", "127.0.0.1:9001")
	requests, took := v.requests.WithLabelValues(r.Route, r.Service, "200"), v.took.WithLabelValues(r.Route, r.Service)
	received, sent := v.received.WithLabelValues(r.Route, r.Service), v.sent.WithLabelValues(r.Route, r.Service)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		r.Duration = time.Duration(i&255+1) * 97 * time.Microsecond
		i++
		tries.Inc()
		tryTook.Observe(r.Duration.Seconds())
		requests.Inc()
		took.Observe(r.Duration.Seconds())
		received.Add(float64(r.RequestBytes))
		sent.Add(float64(r.ResponseBytes))
	}
}

func BenchmarkWindow(b *testing.B) { benchmark(b, signal.NewWindow(nil)) }

func BenchmarkAccessLog(b *testing.B) {
	l := signal.NewAccessLog(io.Discard, signal.AccessLogConfig{})
	defer l.Close(b.Context())
	benchmark(b, l)
}

func BenchmarkMetricsAndWindow(b *testing.B) {
	benchmark(b, signal.Tee(signal.NewMetrics(signal.MetricsConfig{}), signal.NewWindow(nil), signal.NewEventLog(nil)))
}

func BenchmarkMetricsAndWindowParallel(b *testing.B) {
	o := signal.Tee(signal.NewMetrics(signal.MetricsConfig{}), signal.NewWindow(nil), signal.NewEventLog(nil))
	var clients atomic.Uint32
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		request, try := o.Route("checkout", "cart"), o.Endpoint("cart", "127.0.0.1:9001")
		r := record()
		r.Client = netip.AddrPortFrom(r.Client.Addr(), uint16(clients.Add(1)))
		for pb.Next() {
			try.Try(policy.Success, r.Duration)
			request.Request(r)
		}
	})
}

func TestObserversDoNotAllocate(t *testing.T) {
	access := signal.NewAccessLog(io.Discard, signal.AccessLogConfig{QueueBytes: 64 << 10})
	defer closeLog(t, access)
	for name, o := range map[string]gateway.Observer{
		"metrics": signal.NewMetrics(signal.MetricsConfig{}),
		"window":  signal.NewWindow(nil),
		"access":  access,
		"tee":     signal.Tee(signal.NewMetrics(signal.MetricsConfig{}), signal.NewWindow(nil), signal.NewEventLog(nil)),
	} {
		request, try := o.Route("checkout", "cart"), o.Endpoint("cart", "127.0.0.1:9001")
		r := record()
		r.Status, r.Reason, r.Tries = 504, gateway.ReasonTimeout, 3
		request.Request(r)
		if n := testing.AllocsPerRun(1000, func() {
			try.Try(policy.Failure, r.Duration)
			request.Request(r)
		}); n != 0 {
			t.Errorf("%s: %v allocations a request", name, n)
		}
	}
}
