package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExplain(t *testing.T) {
	everything := Source{"everything.yaml", []byte(`
listeners: [{address: 127.0.0.1:8080}, {address: "8081"}]
admin: {address: 0.0.0.0:9900, token: "${SECRET}"}
accessLog: {path: "-", sample: 10%}
services:
  web:
    endpoints: [127.0.0.1:9001, localhost:9002]
    balance: roundRobin
    timeout: 2m
    tryTimeout: 1.5s
    retryNonIdempotent: true
    retry: {attempts: 1, budget: {off: true}}
    breaker: {consecutiveFailures: -1, failureRate: -1, slowCallDuration: 1s, slowCallRate: 50%}
    outlier: {disabled: true}
    concurrency: {min: 10, max: 20, queueMax: -1}
    health: {path: /health, interval: 5s}
  api:
    process: {command: [./api, --port, $(PORT)], replicas: 2, restart: {policy: onFailure}}
    retry: {attempts: -1}
    breaker: {consecutiveFailures: -1, failureRate: -1}
    concurrency: {disabled: true}
routes:
- name: api
  match:
  - {host: "*.example.com", path: {prefix: /api}, method: {exact: GET}}
  - {path: {regex: "/v[0-9]+/.*", ignoreCase: true}, headers: {x-user: {exact: a}}, withoutHeaders: {x-bot: {}}, query: {debug: {}}}
  to: [{service: api, weight: 3}, {service: web, weight: 1}]
  timeout: 1s
  retry: {attempts: 5, delay: 10ms}
  rateLimit: {requests: 100}
  fault: {delay: {share: 1%, duration: 1s}, abort: {share: 2%}}
  fallback: {body: sorry}
- to: [{service: web}, {service: api}]
`)}
	for name, a := range map[string]*Assembly{
		"virtualservice":         assembled(t, Options{Upstreams: twoUpstreams}, source(t, articleVirtualService)),
		"deployment":             assembled(t, Options{}, source(t, articleDeployment)),
		"deployment-and-command": assembled(t, Options{}, withCommand(t, "./web, --port, $(PORT)")),
		"quickstart":             assembled(t, Options{}, source(t, "../../examples/quickstart/afloat.yaml")),
		"everything":             assembled(t, Options{Env: environment}, everything),
	} {
		got := strings.Join(a.Explain(), "\n") + "\n"
		golden := filepath.Join("testdata", name+".explained")
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if diff := cmp.Diff(string(want), got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
		if strings.Contains(got, "hunter2") {
			t.Errorf("%s tells the secret", name)
		}
	}
}

// The defaults that Explain speaks of are applied by other packages; their
// documentation must name the same.
func TestExplainedDefaultsAreTheDocumentedOnes(t *testing.T) {
	docs := comments(t)
	for field, words := range map[string]string{
		"gateway.ServiceConfig.Balance":            "Default leastLoaded.",
		"gateway.ServiceConfig.Timeout":            "Default 15s;",
		"gateway.ServiceConfig.StallTimeout":       "Default 30s.",
		"gateway.ServiceConfig.ConnectTimeout":     "Default 1s.",
		"gateway.ServiceConfig.RetryOn":            "Default: connectFailure, reset, unavailable, 5xx and timeout;",
		"gateway.OutlierConfig.FailureRate":        "Default 10%.",
		"gateway.OutlierConfig.LatencyFactor":      "Default 4.",
		"gateway.OutlierConfig.LatencyMin":         "Default 20ms.",
		"gateway.OutlierConfig.EjectedMax":         "Default 50%.",
		"gateway.HealthConfig.Interval":            "Default 1s.",
		"gateway.HealthConfig.Timeout":             "Default 1s, or Interval where that is less.",
		"gateway.HealthConfig.UnhealthyThreshold":  "Default 2.",
		"gateway.HealthConfig.HealthyThreshold":    "Default 1.",
		"policy.RetryConfig.Attempts":              "Default 2;",
		"policy.RetryConfig.Delay":                 "Default 25ms.",
		"policy.RetryConfig.DelayMax":              "Default 1s.",
		"policy.BudgetConfig.Share":                "Default 20%.",
		"policy.BudgetConfig.MinPerSecond":         "Default 3;",
		"policy.BreakerConfig.ConsecutiveFailures": "Default 5.",
		"policy.BreakerConfig.FailureRate":         "Default 50%.",
		"policy.BreakerConfig.SlowCallRate":        "Default 80%.",
		"policy.BreakerConfig.MinimumCalls":        "Default 20.",
		"policy.BreakerConfig.Window":              "Default 10s.",
		"policy.BreakerConfig.OpenDuration":        "Default 5s.",
		"policy.BreakerConfig.OpenDurationMax":     "Default 1m,",
		"policy.AdaptiveConfig.Min":                "Default 4.",
		"policy.AdaptiveConfig.Max":                "Default 1000.",
		"policy.AdaptiveConfig.QueueMax":           "Default 1000;",
		"policy.AdaptiveConfig.WaitMax":            "Default 100ms.",
	} {
		if !strings.Contains(docs[field], words) {
			t.Errorf("%s says %q, Explain %q: mend effective.go", field, docs[field], words)
		}
	}
}
