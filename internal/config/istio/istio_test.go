package istio

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

func document(t *testing.T, name, text string) *yamltree.Document {
	t.Helper()
	docs, err := yamltree.Parse(name, []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(docs) != 1 {
		t.Fatalf("%d documents", len(docs))
	}
	return docs[0]
}

func article(t *testing.T) *yamltree.Document {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "article.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return document(t, "article.yaml", string(text))
}

func TestTheArticlesVirtualServiceIsReadUnchanged(t *testing.T) {
	doc := article(t)
	if !Reads(doc) {
		t.Fatal("Reads is false")
	}
	got, problems := ReadVirtualService(doc)
	want := VirtualService{Name: "user-service", Hosts: []string{"user-service"}, HTTP: []HTTPRoute{{
		Timeout: 10 * time.Second,
		Retries: &HTTPRetry{Attempts: 3, PerTryTimeout: 3 * time.Second},
		Fault:   &HTTPFault{Delay: &HTTPDelay{FixedDelay: 5 * time.Second, Percentage: &Percent{Value: 0.1}}},
		Route: []RouteDestination{
			{Destination: Destination{Host: "user-service", Subset: "v1"}, Weight: 90},
			{Destination: Destination{Host: "user-service", Subset: "v2"}, Weight: 10},
		},
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	wantProblems := "article.yaml:11:5: warning: spec.http[0].retries: 4 tries of up to 3s do not fit into the route's timeout of 10s, which ends the last ones early"
	if problems.Error() != wantProblems || problems.Err() != nil {
		t.Errorf("got  %v\nwant %s", problems, wantProblems)
	}
	if share := got.HTTP[0].Fault.Delay.Share(); share != 0.001 {
		t.Errorf("%v of the requests are delayed, want 0.001", share)
	}
}

func TestVirtualServiceWithEverything(t *testing.T) {
	doc := document(t, "f.yaml", `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: all, namespace: shop, labels: {app.kubernetes.io/name: all}, annotations: {note: "${NOT_SET} stays"}}
spec:
  hosts: ["*.example.com", shop]
  http:
  - name: reads
    match:
    - name: by-path
      uri: {prefix: ""}
      method: {exact: GET}
      scheme: {exact: https}
      authority: {regex: "shop.*"}
      headers: {x-user: {}, cookie: {regex: ".*beta.*"}}
      withoutHeaders: {x-bot: {regex: "*"}}
      queryParams: {debug: {exact: ""}}
      ignoreUriCase: true
    route: [{destination: {host: shop.default.svc.cluster.local, port: {number: 80}}}]
    retries: {attempts: 0}
  - route: [{destination: {host: shop}}]
    fault:
      abort: {httpStatus: 503, percentage: {value: 100}}
    retries: {attempts: 1, retryOn: "5xx, 503,reset", retryIgnorePreviousHosts: true, backoff: 10ms}
`)
	got, problems := ReadVirtualService(doc)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	text := func(s string) *string { return &s }
	want := VirtualService{Name: "all", Namespace: "shop", Hosts: []string{"*.example.com", "shop"}, HTTP: []HTTPRoute{
		{Name: "reads", Match: []HTTPMatch{{
			Name: "by-path", URI: &StringMatch{Prefix: text("")}, Method: &StringMatch{Exact: text("GET")},
			Scheme: &StringMatch{Exact: text("https")}, Authority: &StringMatch{Regex: text("shop.*")},
			Headers:        map[string]StringMatch{"x-user": {}, "cookie": {Regex: text(".*beta.*")}},
			WithoutHeaders: map[string]StringMatch{"x-bot": {Regex: text("*")}},
			QueryParams:    map[string]StringMatch{"debug": {Exact: text("")}}, IgnoreURICase: true,
		}},
			Route:   []RouteDestination{{Destination: Destination{Host: "shop.default.svc.cluster.local", Port: &PortSelector{80}}}},
			Retries: &HTTPRetry{}},
		{Route: []RouteDestination{{Destination: Destination{Host: "shop"}}},
			Fault:   &HTTPFault{Abort: &HTTPAbort{HTTPStatus: 503, Percentage: &Percent{100}}},
			Retries: &HTTPRetry{Attempts: 1, RetryOn: "5xx, 503,reset", Backoff: 10 * time.Millisecond}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"5xx", "503", "reset"}, got.HTTP[1].Tries().Conditions()); diff != "" {
		t.Error(diff)
	}
	if tries := got.HTTP[0].Tries(); tries.Attempts != 0 {
		t.Errorf("retries were turned off, yet there are %d", tries.Attempts)
	}
}

func TestTriesAreIstiosDefaultWhereTheDocumentIsSilent(t *testing.T) {
	got := HTTPRoute{}.Tries()
	want := HTTPRetry{Attempts: 2, RetryOn: DefaultRetryOn, Backoff: 25 * time.Millisecond}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"}, got.Conditions()); diff != "" {
		t.Error(diff)
	}
}

func TestDestinationRuleWithEverything(t *testing.T) {
	doc := document(t, "f.yaml", `
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata: {name: users}
spec:
  host: user-service
  trafficPolicy:
    loadBalancer: {simple: ROUND_ROBIN}
    connectionPool:
      tcp: {maxConnections: 100, connectTimeout: 30ms}
      http: {http1MaxPendingRequests: 10, http2MaxRequests: 1000, maxRetries: 3, h2UpgradePolicy: DO_NOT_UPGRADE}
    outlierDetection: {consecutive5xxErrors: 7, interval: 5m, baseEjectionTime: 15m, maxEjectionPercent: 50, minHealthPercent: 10}
    tls: {mode: DISABLE}
  subsets:
  - name: v1
    labels: {version: v1}
  - name: v2
    labels: {version: v2}
    trafficPolicy: {loadBalancer: {simple: RANDOM}}
`)
	got, problems := ReadDestinationRule(doc)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	seven := uint32(7)
	want := DestinationRule{Name: "users", Host: "user-service",
		TrafficPolicy: &TrafficPolicy{
			LoadBalancer: &LoadBalancer{Simple: LBRoundRobin},
			ConnectionPool: &ConnectionPool{TCP: &TCPSettings{100, 30 * time.Millisecond},
				HTTP: &HTTPSettings{10, 1000, 3, "DO_NOT_UPGRADE"}},
			OutlierDetection: &OutlierDetection{Consecutive5xxErrors: &seven, Interval: 5 * time.Minute, BaseEjectionTime: 15 * time.Minute, MaxEjectionPercent: 50, MinHealthPercent: 10},
			TLS:              &ClientTLS{Mode: "DISABLE"},
		},
		Subsets: []Subset{{Name: "v1", Labels: map[string]string{"version": "v1"}},
			{Name: "v2", Labels: map[string]string{"version": "v2"}, TrafficPolicy: &TrafficPolicy{LoadBalancer: &LoadBalancer{Simple: LBRandom}}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The field names of istio/api, networking/v1alpha3, as JSON spells them.
func TestEveryFieldOfTheAPIIsKnown(t *testing.T) {
	for _, tt := range []struct {
		into   any
		fields string
	}{
		{&virtualServiceSpec{}, "hosts gateways http tls tcp exportTo"},
		{&Destination{}, "host subset port"},
		{&HTTPRoute{}, "name match route redirect directResponse delegate rewrite timeout retries fault mirror mirrors mirrorPercent mirrorPercentage corsPolicy headers"},
		{&CORSPolicy{}, "allowOrigin allowOrigins allowMethods allowHeaders exposeHeaders maxAge allowCredentials unmatchedPreflights"},
		{&HTTPMatch{}, "name uri scheme method authority headers port sourceLabels gateways queryParams ignoreUriCase withoutHeaders sourceNamespace statPrefix"},
		{&RouteDestination{}, "destination weight headers"},
		{&HTTPRedirect{}, "uri authority port derivePort scheme redirectCode"},
		{&HTTPDirectResponse{}, "status body"},
		{&HTTPBody{}, "string bytes"},
		{&HTTPRewrite{}, "uri authority uriRegexRewrite"},
		{&RegexRewrite{}, "match rewrite"},
		{&Headers{}, "request response"},
		{&HeaderOperations{}, "set add remove"},
		{&HTTPMirror{}, "destination percentage"},
		{&ConsistentHash{}, "httpHeaderName httpCookie useSourceIp httpQueryParameterName ringHash maglev minimumRingSize"},
		{&RingHash{}, "minimumRingSize"},
		{&Maglev{}, "tableSize"},
		{&HTTPCookie{}, "name path ttl"},
		{&LocalityLB{}, "distribute failover failoverPriority enabled"},
		{&Warmup{}, "duration minimumPercent aggression"},
		{&StringMatch{}, "exact prefix regex"},
		{&HTTPRetry{}, "attempts perTryTimeout retryOn retryRemoteLocalities retryIgnorePreviousHosts backoff"},
		{&HTTPFault{}, "delay abort"},
		{&HTTPDelay{}, "percent fixedDelay exponentialDelay percentage"},
		{&HTTPAbort{}, "httpStatus grpcStatus http2Error percentage"},
		{&PortSelector{}, "number"},
		{&Percent{}, "value"},
		{&destinationRuleSpec{}, "host trafficPolicy subsets exportTo workloadSelector"},
		{&TrafficPolicy{}, "loadBalancer connectionPool outlierDetection tls portLevelSettings tunnel proxyProtocol retryBudget"},
		{&Subset{}, "name labels trafficPolicy"},
		{&LoadBalancer{}, "simple consistentHash localityLbSetting zoneAwareLbSetting warmupDurationSecs warmup"},
		{&ConnectionPool{}, "tcp http"},
		{&TCPSettings{}, "maxConnections connectTimeout tcpKeepalive maxConnectionDuration idleTimeout"},
		{&HTTPSettings{}, "http1MaxPendingRequests http2MaxRequests maxRequestsPerConnection maxRetries idleTimeout h2UpgradePolicy useClientProtocol maxConcurrentStreams http2KeepAlive"},
		{&OutlierDetection{}, "consecutiveErrors splitExternalLocalOriginErrors consecutiveLocalOriginFailures consecutiveGatewayErrors consecutive5xxErrors interval baseEjectionTime maxEjectionPercent minHealthPercent outlierDetectionHttpErrorCodes"},
		{&ClientTLS{}, "mode clientCertificate privateKey caCertificates credentialName subjectAltNames sni insecureSkipVerify caCrl"},
	} {
		for _, name := range append(strings.Fields(tt.fields), "noSuchField") {
			problems := document(t, "f.yaml", name+": ~").Decode(tt.into, yamltree.Options{})
			if got := strings.Contains(problems.Error(), "unknown field"); got != (name == "noSuchField") {
				t.Errorf("%T: %s: unknown is %t", tt.into, name, got)
			}
		}
	}
}
