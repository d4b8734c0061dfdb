package signal_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal"
	"github.com/afloat-dev/afloat/internal/supervise"
	"github.com/afloat-dev/afloat/policy"
)

func gatewayStatus() gateway.Status {
	return gateway.Status{
		Faults:    []gateway.FaultStatus{{Route: "checkout", Delayed: 3}, {Route: "checkout", Injected: true, Delayed: 4, Aborted: 2}},
		Memory:    gateway.MemoryStatus{LimitBytes: 1000, State: "most_refused", Refused: 5},
		Listeners: []gateway.ListenerStatus{{Address: "127.0.0.1:8080", Connections: 12}},
		Routes: []gateway.RouteStatus{{
			Name: "checkout", Requests: 100, Limited: 4, Denied: 2,
			Limits: []gateway.LimitStatus{{By: "user", Keys: 3, Rejected: 1}, {By: "user", Keys: 2, Rejected: 4}, {By: "header X-Key", Keys: 7}},
			To:     []gateway.DestinationStatus{{Service: "cart", Share: 0.5}, {Service: "cart", Labels: map[string]string{"version": "v2"}, Share: 0.4}, {Service: "cart-next", Share: 0.1}},
		}},
		Services: []gateway.ServiceStatus{{
			Name: "cart", InFlight: 14, Limit: 20, Queued: 2, Shed: 7, Brownout: "low_refused", Browned: 6, Held: 3, Streams: 5,
			Retry: &gateway.RetryStatus{Repeated: 9, Refused: 8, Left: 6, Spent: 2}, Hedge: &gateway.HedgeStatus{Started: 5, Won: 2, Refused: 4},
			Versions: []gateway.VersionStatus{{Version: "v1", Share: 0.75}, {Version: "v2", Share: 0.25}},
			Endpoints: []gateway.EndpointStatus{
				{Address: "127.0.0.1:9001", Zone: "eu/a", Version: "v1", State: "up", Breaker: "closed", InFlight: 9, Idle: 3},
				{Address: "127.0.0.1:9002", Zone: "b", State: "ejected", Breaker: "half-open", Levers: []gateway.Lever{{Kind: gateway.LeverDrain}}},
			},
		}},
	}
}

func replicaStatus() []supervise.ServiceStatus {
	return []supervise.ServiceStatus{{
		Name: "cart", Service: "cart", Desired: 3, Ready: 1, Rollout: supervise.RolloutStalled,
		Replicas: []supervise.ReplicaStatus{
			{ID: 1, Phase: supervise.PhaseReady},
			{ID: 2, Phase: supervise.PhaseBackoff, Restarts: 5},
		},
	}, {
		Name: "shop", Service: "shop", Version: "v1", Ready: 1,
		Replicas: []supervise.ReplicaStatus{{ID: 1, Phase: supervise.PhaseReady}},
	}, {
		Name: "shop.v2", Service: "shop", Version: "v2", Desired: 2,
		Replicas: []supervise.ReplicaStatus{{ID: 1, Phase: supervise.PhaseStarting}},
	}}
}

// busy returns Metrics that have a series of every name.
func busy(t *testing.T) *signal.Metrics {
	t.Helper()
	m := signal.NewMetrics(signal.MetricsConfig{
		Version: "1.2.3", Revision: "abc", Status: gatewayStatus, Replicas: replicaStatus,
	})
	log := signal.NewAccessLog(io.Discard, signal.AccessLogConfig{})
	t.Cleanup(func() { closeLog(t, log) })
	if err := m.Register(log); err != nil {
		t.Fatal(err)
	}
	request := m.Route("checkout", "cart")
	for _, change := range []func(*gateway.Record){
		func(r *gateway.Record) {},
		func(r *gateway.Record) { r.Tries = 3 },
		func(r *gateway.Record) { r.Status = 503 },
		func(r *gateway.Record) { r.Status, r.Reason = 504, gateway.ReasonTimeout },
		func(r *gateway.Record) { r.Reason = gateway.ReasonFallback },
		func(r *gateway.Record) { r.Status, r.Reason = 499, gateway.ReasonClientGone },
		func(r *gateway.Record) { r.Status = 799 },
	} {
		r := record()
		change(r)
		request.Request(r)
	}
	try := m.Endpoint("cart", "127.0.0.1:9001")
	try.Try(policy.Success, 2*time.Millisecond)
	try.Try(policy.Failure, 20*time.Millisecond)
	m.Event(gateway.Event{Kind: gateway.EventDown, Service: "cart", Endpoint: "127.0.0.1:9002"})
	return m
}

func TestMetricsFollowNamingConventions(t *testing.T) {
	m := busy(t)
	problems, err := testutil.GatherAndLint(m.Gatherer())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestMetricsCountRequestsAndTries(t *testing.T) {
	text := scrape(t, busy(t), "text/plain")
	const route = `route="checkout",service="cart"`
	for _, want := range []string{
		`afloat_requests_total{code="200",` + route + `} 3`,
		`afloat_requests_total{code="499",` + route + `} 1`,
		`afloat_requests_total{code="503",` + route + `} 1`,
		`afloat_requests_total{code="other",` + route + `} 1`,
		`afloat_requests_failed_total{reason="service_error",` + route + `} 2`,
		`afloat_requests_failed_total{reason="timeout",` + route + `} 1`,
		`afloat_retries_total{` + route + `} 2`,
		`afloat_fallbacks_total{` + route + `} 1`,
		`afloat_request_bytes_total{` + route + `} 840`,
		`afloat_response_bytes_total{` + route + `} 7168`,
		`afloat_request_duration_seconds_bucket{` + route + `,le="0.0025"} 0`,
		`afloat_request_duration_seconds_bucket{` + route + `,le="0.005"} 7`,
		`afloat_upstream_tries_total{class="failure",endpoint="127.0.0.1:9001",service="cart"} 1`,
		`afloat_upstream_try_duration_seconds_count{endpoint="127.0.0.1:9001",service="cart"} 2`,
		`afloat_events_total{kind="endpoint_down"} 1`,
		`afloat_build_info{revision="abc",version="1.2.3"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	if strings.Contains(text, `reason="client_gone"`) {
		t.Error("a client that went away counts as failed")
	}
}

func TestMetricsShowStatesAtScrape(t *testing.T) {
	text := scrape(t, busy(t), "text/plain")
	for _, want := range []string{
		`afloat_listener_connections{listener="127.0.0.1:8080"} 12`,
		`afloat_route_limited_total{route="checkout"} 4`,
		`afloat_route_denied_total{route="checkout"} 2`,
		`afloat_route_share_ratio{route="checkout",service="cart"} 0.9`,
		`afloat_route_share_ratio{route="checkout",service="cart-next"} 0.1`,
		`afloat_service_in_flight{service="cart"} 14`,
		`afloat_service_limit{service="cart"} 20`,
		`afloat_service_queued{service="cart"} 2`,
		`afloat_service_shed_total{service="cart"} 7`,
		`afloat_service_brownout_state{service="cart",state="low_refused"} 1`,
		`afloat_service_brownout_state{service="cart",state="none"} 0`,
		`afloat_service_browned_total{service="cart"} 6`,
		`afloat_service_held{service="cart"} 3`,
		`afloat_service_streams{service="cart"} 5`,
		`afloat_service_retry_budget_left{service="cart"} 6`,
		`afloat_service_retry_budget_spent{service="cart"} 2`,
		`afloat_service_retries_refused_total{service="cart"} 8`,
		`afloat_service_hedges_refused_total{service="cart"} 4`,
		`afloat_service_version_share_ratio{service="cart",version="v2"} 0.25`,
		`afloat_endpoint_lever{endpoint="127.0.0.1:9002",lever="drain",service="cart"} 1`,
		`afloat_route_limit_keys{by="user",route="checkout"} 5`,
		`afloat_route_limit_rejected_total{by="user",route="checkout"} 5`,
		`afloat_route_limit_keys{by="header X-Key",route="checkout"} 7`,
		`afloat_route_faults_total{fault="delay",route="checkout"} 7`,
		`afloat_route_faults_total{fault="abort",route="checkout"} 2`,
		`afloat_memory_state{state="most_refused"} 1`,
		`afloat_memory_state{state="enough"} 0`,
		`afloat_memory_limit_bytes 1000`,
		`afloat_memory_refused_total 5`,
		`afloat_endpoint_up{endpoint="127.0.0.1:9001",service="cart"} 1`,
		`afloat_endpoint_up{endpoint="127.0.0.1:9002",service="cart"} 0`,
		`afloat_endpoint_state{endpoint="127.0.0.1:9002",service="cart",state="ejected"} 1`,
		`afloat_endpoint_breaker_state{endpoint="127.0.0.1:9002",service="cart",state="half-open"} 1`,
		`afloat_endpoint_breaker_state{endpoint="127.0.0.1:9002",service="cart",state="closed"} 0`,
		`afloat_endpoint_info{endpoint="127.0.0.1:9001",region="eu",service="cart",version="v1",zone="eu/a"} 1`,
		`afloat_endpoint_info{endpoint="127.0.0.1:9002",region="",service="cart",version="",zone="b"} 1`,
		`afloat_replicas_desired{service="cart",version=""} 3`,
		`afloat_replicas_desired{service="shop",version="v2"} 2`,
		`afloat_replicas_ready{service="shop",version="v1"} 1`,
		`afloat_rollout_stalled{service="cart",version=""} 1`,
		`afloat_replica_ready{replica="1",service="cart",version=""} 1`,
		`afloat_replica_ready{replica="1",service="shop",version="v2"} 0`,
		`afloat_replica_restarts_total{replica="2",service="cart",version=""} 5`,
		`afloat_replica_phase{phase="backoff",replica="2",service="cart",version=""} 1`,
		`afloat_access_log_dropped_total{reason="queue_full"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
}

func TestMetricsSpeakOpenMetrics(t *testing.T) {
	text := scrape(t, busy(t), "application/openmetrics-text; version=1.0.0")
	if !strings.HasSuffix(text, "# EOF\n") || !strings.Contains(text, "# TYPE afloat_requests counter\n") {
		t.Errorf("not OpenMetrics:\n%.500s", text)
	}
}

func TestMetricsGiveNativeHistogramsInProtobuf(t *testing.T) {
	body := scrape(t, busy(t), string(expfmt.NewFormat(expfmt.TypeProtoDelim)))
	decoder := expfmt.NewDecoder(strings.NewReader(body), expfmt.NewFormat(expfmt.TypeProtoDelim))
	for {
		var family dto.MetricFamily
		if err := decoder.Decode(&family); err != nil {
			t.Fatalf("no request duration: %v", err)
		}
		if family.GetName() != "afloat_request_duration_seconds" {
			continue
		}
		h := family.GetMetric()[0].GetHistogram()
		if h.GetSchema() != 3 || len(h.GetPositiveSpan()) != 1 || len(h.GetBucket()) == 0 || h.GetSampleCount() != 7 {
			t.Errorf("schema %d, spans %v, %d classic buckets, %d samples", h.GetSchema(), h.GetPositiveSpan(),
				len(h.GetBucket()), h.GetSampleCount())
		}
		return
	}
}

func TestMetricsForgetRemovedEndpoints(t *testing.T) {
	m := signal.NewMetrics(signal.MetricsConfig{})
	const line = `afloat_upstream_tries_total{class="success",endpoint="127.0.0.1:9001",service="cart"} `
	m.Endpoint("cart", "127.0.0.1:9001").Try(policy.Success, time.Millisecond)
	if text := scrape(t, m, "text/plain"); !strings.Contains(text, line+"1\n") {
		t.Fatal("the endpoint has no series")
	}
	m.Event(gateway.Event{Kind: gateway.EventRemoved, Service: "cart", Endpoint: "127.0.0.1:9001"})
	if text := scrape(t, m, "text/plain"); strings.Contains(text, "127.0.0.1:9001") {
		t.Error("the removed endpoint still has series")
	}
	m.Endpoint("cart", "127.0.0.1:9001").Try(policy.Success, time.Millisecond)
	if text := scrape(t, m, "text/plain"); !strings.Contains(text, line+"1\n") {
		t.Error("the endpoint that came back has no series of its own")
	}
}

func TestMetricsBoundTheirSeries(t *testing.T) {
	m := signal.NewMetrics(signal.MetricsConfig{RoutesMax: 2, EndpointsMax: 2})
	for _, name := range []string{"a", "b", "c", "d"} {
		m.Route(name, "cart").Request(record())
		m.Endpoint("cart", name).Try(policy.Success, time.Millisecond)
	}
	text := scrape(t, m, "text/plain")
	var got []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "afloat_retries_total") || strings.HasPrefix(line, "afloat_upstream_try_duration_seconds_count") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	want := []string{
		`afloat_retries_total{route="a",service="cart"} 0`,
		`afloat_retries_total{route="b",service="cart"} 0`,
		`afloat_retries_total{route="other",service="other"} 0`,
		`afloat_upstream_try_duration_seconds_count{endpoint="a",service="cart"} 1`,
		`afloat_upstream_try_duration_seconds_count{endpoint="b",service="cart"} 1`,
		`afloat_upstream_try_duration_seconds_count{endpoint="other",service="other"} 2`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
}

func TestMetricsSurviveNamesThatAreNotUTF8(t *testing.T) {
	m := signal.NewMetrics(signal.MetricsConfig{})
	m.Route("a\xff", "b").Request(record())
	m.Endpoint("b", "c\xff").Try(policy.Shed, 0)
	if text := scrape(t, m, "text/plain"); !strings.Contains(text, "route=\"a\uFFFD\"") {
		t.Error("no series under the mended name")
	}
}

func TestMetricsOfOneBadSeriesDoNotHideTheOthers(t *testing.T) {
	m := signal.NewMetrics(signal.MetricsConfig{Status: func() gateway.Status {
		s := gatewayStatus()
		s.Listeners = append(s.Listeners, s.Listeners[0]) // the same series twice
		return s
	}})
	if text := scrape(t, m, "text/plain"); !strings.Contains(text, "afloat_service_limit") {
		t.Error("no afloat_service_limit")
	}
}

// scrape gets /metrics as a Prometheus would that accepts a format.
func scrape(t *testing.T, m *signal.Metrics, accept string) string {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept", accept)
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		t.Fatalf("status %d: %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}
