package signal_test

import (
	"io"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

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
