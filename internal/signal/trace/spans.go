package trace

import (
	"context"
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// kept is a request whose spans are to be made.
type kept struct {
	record gateway.Record
	host   []byte
	path   []byte
	id     []byte
	tries  []gateway.TrySpan
}

// pathMax bounds the path in a span.
const pathMax = 2048

// copy takes over what the gateway uses for its next request.
func (k *kept) copy(r *gateway.Record) {
	k.record = *r
	k.host = append(k.host[:0], r.Host...)
	k.path = append(k.path[:0], withoutQuery(r.Path)...)
	k.id = append(k.id[:0], r.RequestID...)
	k.tries = append(k.tries[:0], r.Spans...)
	k.record.Host, k.record.Path, k.record.RequestID, k.record.Spans = nil, nil, nil, nil
}

// withoutQuery cuts the query off, which may hold secrets, and what is too long.
func withoutQuery(path []byte) []byte {
	if i := slices.Index(path, '?'); i >= 0 {
		path = path[:i]
	}
	return path[:min(len(path), pathMax)]
}

// spans makes the span of the request and those of its tries.
func (k *kept) spans(tracer trace.Tracer) {
	r := &k.record
	ctx := context.Background()
	if r.Trace.Parent != [8]byte{} {
		ctx = trace.ContextWithRemoteSpanContext(ctx, spanContext(&r.Trace, r.Trace.Parent))
	}
	ctx, span := tracer.Start(given(ctx, &r.Trace, r.Trace.Span), name(r.Method, r.Route),
		trace.WithTimestamp(r.Start), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(k.attributes()...))
	if r.Status >= 500 || r.Failed() {
		span.SetStatus(codes.Error, string(r.Reason))
	}
	for i := range k.tries {
		k.try(ctx, tracer, i)
	}
	span.End(trace.WithTimestamp(r.Start.Add(r.Duration)))
}

func name(method, route string) string {
	if route == "" {
		return method
	}
	return method + " " + route
}

// attributes are those of the request, with the names of OpenTelemetry's
// conventions where these have one.
func (k *kept) attributes() []attribute.KeyValue {
	r := &k.record
	all := []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(r.Method),
		semconv.URLPath(string(k.path)),
		semconv.ServerAddress(string(k.host)),
		semconv.NetworkProtocolName("http"),
		semconv.HTTPResponseStatusCode(r.Status),
		semconv.HTTPRequestBodySize(int(r.RequestBytes)),
		semconv.HTTPResponseBodySize(int(r.ResponseBytes)),
		attribute.String("afloat.request_id", string(k.id)),
		attribute.Int("afloat.tries", r.Tries),
		attribute.Float64("afloat.first_byte_ms", milliseconds(r.FirstByte)),
	}
	if r.Client.IsValid() {
		all = append(all, semconv.ClientAddress(r.Client.Addr().Unmap().String()))
	}
	d := &r.Decisions
	for _, wait := range []struct {
		name string
		took time.Duration
	}{{"afloat.queued_ms", d.Queued}, {"afloat.held_ms", d.Held}} {
		if wait.took >= 100*time.Microsecond { // else it did not wait
			all = append(all, attribute.Float64(wait.name, milliseconds(wait.took)))
		}
	}
	if d.Limit > 0 {
		all = append(all, attribute.Int("afloat.in_flight", d.InFlight), attribute.Int("afloat.limit", d.Limit))
	}
	if d.HedgeRefused {
		all = append(all, attribute.Bool("afloat.hedge_refused", true))
	}
	return append(all, some(
		"afloat.not_repeated", d.Stopped,
		"afloat.cache", d.Cache,
		"network.protocol.version", version(r.Protocol),
		"http.route", r.Route,
		"afloat.service", r.Service,
		"afloat.endpoint", r.Endpoint,
		"afloat.listener", r.Listener,
		"afloat.identity", r.Identity,
		"afloat.reason", string(r.Reason),
		"rpc.grpc.status", r.GRPC,
	)...)
}

// version is what stands behind the slash of a protocol.
func version(protocol string) string {
	for i := range protocol {
		if protocol[i] == '/' {
			return protocol[i+1:]
		}
	}
	return ""
}

// some are the attributes that have a value, of names and values in turn.
func some(pairs ...string) (all []attribute.KeyValue) {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			all = append(all, attribute.String(pairs[i], pairs[i+1]))
		}
	}
	return all
}

// try makes the span of a try.
func (k *kept) try(ctx context.Context, tracer trace.Tracer, i int) {
	t := &k.tries[i]
	attributes := append(some(
		"server.address", t.Endpoint,
		"afloat.class", t.Class.String(),
		"afloat.reason", string(t.Reason),
		"error.type", t.Error,
		"afloat.breaker", t.Breaker,
		"afloat.breaker_after", t.BreakerAfter,
		"afloat.zone", t.Zone,
	), attribute.Int("http.request.resend_count", i))
	if t.Status != 0 {
		attributes = append(attributes, semconv.HTTPResponseStatusCode(t.Status))
	}
	if t.Priority != 0 {
		attributes = append(attributes, attribute.Int("afloat.priority", t.Priority))
	}
	if t.Hedge {
		attributes = append(attributes, attribute.Bool("afloat.hedge", true))
	}
	if t.Scout {
		attributes = append(attributes, attribute.Bool("afloat.scout", true))
	}
	_, span := tracer.Start(given(ctx, &k.record.Trace, t.Span), "try "+strconv.Itoa(i+1),
		trace.WithTimestamp(t.Start), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	if t.Error != "" || t.Status >= 500 {
		span.SetStatus(codes.Error, t.Error)
	}
	span.End(trace.WithTimestamp(t.Start.Add(t.Took)))
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func spanContext(t *gateway.TraceContext, span [8]byte) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: t.TraceID, SpanID: span, TraceFlags: trace.FlagsSampled, Remote: true})
}

// givenIDs has spans get the ids that the gateway has sent on its way already.
type givenIDs struct{}

type idsKey struct{}

type ids struct {
	trace trace.TraceID
	span  trace.SpanID
}

func given(ctx context.Context, t *gateway.TraceContext, span [8]byte) context.Context {
	return context.WithValue(ctx, idsKey{}, ids{t.TraceID, span})
}

// NewIDs is part of the SDK's IDGenerator.
func (givenIDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	i, _ := ctx.Value(idsKey{}).(ids)
	return i.trace, i.span
}

// NewSpanID is part of the SDK's IDGenerator.
func (givenIDs) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	i, _ := ctx.Value(idsKey{}).(ids)
	return i.span
}
