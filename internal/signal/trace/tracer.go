// Package trace sends traces of requests to a collector: a span for each
// request and one for each of its tries, with what policies decided.
//
// Which traces are kept is decided once a request has ended: those that failed
// or were slow, and a share of the rest. Requests never wait for it.
package trace

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/policy"
)

// queueMax bounds the requests whose spans wait to be made. What does not fit is
// dropped, and counted.
const queueMax = 4096

// Options are what a [Tracer] needs.
type Options struct {
	Config
	// Headers go with what is sent to the collector, such as a token.
	Headers map[string]string
	// Version is Afloat's.
	Version string
	// Log is told when the collector cannot be reached, and when it can again.
	Log *slog.Logger
}

// Tracer is a [gateway.Observer] that keeps traces.
type Tracer struct {
	config   Config
	provider *sdk.TracerProvider
	queue    chan *kept
	spares   sync.Pool

	mu     sync.RWMutex // guards closed: nobody sends on a closed queue
	closed bool
	ended  chan struct{}

	kept, dropped, failed atomic.Uint64
}

// New returns a tracer that sends to the collector until Close.
func New(ctx context.Context, o Options) (*Tracer, error) {
	c := o.Config.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	exporter, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(c.target()),
		otlptracehttp.WithHeaders(o.Headers),
		otlptracehttp.WithTimeout(5*time.Second),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	if err != nil {
		return nil, fmt.Errorf("traces to %s: %w", c.Endpoint, err)
	}
	t := &Tracer{config: c, queue: make(chan *kept, queueMax), ended: make(chan struct{})}
	t.spares.New = func() any { return new(kept) }
	t.provider = sdk.NewTracerProvider(
		sdk.WithIDGenerator(givenIDs{}),
		sdk.WithSampler(sdk.AlwaysSample()), // it has been decided before
		sdk.WithBatcher(&told{SpanExporter: exporter, tracer: t, log: o.Log}, sdk.WithBatchTimeout(time.Second), sdk.WithMaxQueueSize(queueMax)),
		sdk.WithResource(resource.NewSchemaless(semconv.ServiceName(c.Name), semconv.ServiceVersion(o.Version))))
	go t.serve()
	return t, nil
}

// Route returns what keeps a request's trace; the record itself names its route.
func (t *Tracer) Route(string, string) gateway.RequestObserver { return t }

// Endpoint returns what ignores tries: the record has them.
func (t *Tracer) Endpoint(string, string) gateway.TryObserver { return ignored{} }

// Event does nothing.
func (t *Tracer) Event(gateway.Event) {}

type ignored struct{}

// Try does nothing.
func (ignored) Try(policy.Class, time.Duration) {}

// Keeps reports whether the trace of a request that has ended is worth it.
func (t *Tracer) Keeps(r *gateway.Record) bool {
	slow := t.config.Slow > 0 && r.Duration >= t.config.Slow
	return r.Trace.Valid() && (r.Trace.Sampled || slow || r.Failed())
}

// Request keeps the trace of a request that has ended, if it is worth it.
func (t *Tracer) Request(r *gateway.Record) {
	if !t.Keeps(r) {
		return
	}
	k := t.spares.Get().(*kept)
	k.copy(r)
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.closed {
		t.dropped.Add(1)
		return
	}
	select {
	case t.queue <- k:
		t.kept.Add(1)
	default:
		t.dropped.Add(1)
		t.spares.Put(k)
	}
}

// serve makes spans of what is kept, until Close.
func (t *Tracer) serve() {
	defer close(t.ended)
	tracer := t.provider.Tracer("github.com/afloat-dev/afloat")
	for k := range t.queue {
		k.spans(tracer)
		t.spares.Put(k)
	}
}

// Close sends what is kept and stops, until the context ends.
func (t *Tracer) Close(ctx context.Context) error {
	t.mu.Lock()
	if !t.closed {
		t.closed = true
		close(t.queue)
	}
	t.mu.Unlock()
	select {
	case <-t.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	return t.provider.Shutdown(ctx)
}

// told is an exporter that tells when it begins and ceases to fail. Unlike the
// SDK, it does not repeat itself.
type told struct {
	sdk.SpanExporter
	tracer  *Tracer
	log     *slog.Logger
	failing bool // used by the batcher's goroutine alone
}

// ExportSpans is part of [sdk.SpanExporter].
func (e *told) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil:
		e.tracer.failed.Add(uint64(len(spans)))
		if !e.failing && e.log != nil {
			e.log.Error("traces cannot be sent", "to", e.tracer.config.Endpoint, "error", err)
		}
	case e.failing && e.log != nil:
		e.log.Info("traces are sent again", "to", e.tracer.config.Endpoint)
	}
	e.failing = err != nil
	return nil // it has been told
}

var (
	keptDesc = prometheus.NewDesc("afloat_traces_total", "Requests whose trace was kept, since they failed, were slow or are sampled.", nil, nil)
	lostDesc = prometheus.NewDesc("afloat_traces_dropped_total", "Requests whose trace was lost, since the queue was full.", nil, nil)
	failDesc = prometheus.NewDesc("afloat_trace_spans_failed_total", "Spans that the collector did not take.", nil, nil)
)

// Describe is part of [prometheus.Collector].
func (t *Tracer) Describe(ch chan<- *prometheus.Desc) {
	ch <- keptDesc
	ch <- lostDesc
	ch <- failDesc
}

// Collect is part of [prometheus.Collector].
func (t *Tracer) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(keptDesc, prometheus.CounterValue, float64(t.kept.Load()))
	ch <- prometheus.MustNewConstMetric(lostDesc, prometheus.CounterValue, float64(t.dropped.Load()))
	ch <- prometheus.MustNewConstMetric(failDesc, prometheus.CounterValue, float64(t.failed.Load()))
}
