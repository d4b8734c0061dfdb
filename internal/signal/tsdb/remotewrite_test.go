package tsdb_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/afloat-dev/afloat/internal/prometheustest"
	"github.com/afloat-dev/afloat/internal/secret"
	"github.com/afloat-dev/afloat/internal/signal/tsdb"
)

// TestReceiverThatWasDownGetsWhatItMissed kills a real Prometheus, goes on
// counting, and starts it again.
func TestReceiverThatWasDownGetsWhatItMissed(t *testing.T) {
	r := prometheustest.New(t)
	registry := prometheus.NewRegistry()
	count := prometheus.NewCounter(prometheus.CounterOpts{Name: "steps_total"})
	secret := prometheus.NewCounter(prometheus.CounterOpts{Name: "secret_total"})
	registry.MustRegister(count, secret)
	c := tsdb.RemoteWriteConfig{URL: r.URL + "/api/v1/write", Keep: "steps.*|up"}
	o := tsdb.Options{Gatherer: registry, Registerer: registry}
	o.RemoteWrite = []tsdb.RemoteWriteConfig{c}
	s, _ := serve(t, o)
	count.Inc()
	r.Await(t, `steps_total{job="afloat",instance="here"}`, func(v float64) bool { return v == 1 })

	r.Kill()
	for v := 2.0; v <= 5; v++ { // each value is there only while the receiver is down
		count.Inc()
		await(t, s, `sum(steps_total)`, fmt.Sprintf("{} %v", v))
	}
	r.Start(t)
	count.Inc()
	r.Await(t, `steps_total`, func(v float64) bool { return v == 6 })
	for v := 2; v <= 5; v++ { // what it missed has come
		r.Await(t, fmt.Sprintf(`max_over_time((steps_total == bool %d)[1m:10ms])`, v), func(v float64) bool { return v == 1 })
	}
	if _, err := r.Ask("secret_total"); err == nil {
		t.Error("what is not to be kept was sent")
	}
}

func TestReceiverIsRefusedWhereItCannotWork(t *testing.T) {
	o := tsdb.Options{Dir: t.TempDir(), Gatherer: prometheus.NewRegistry()}
	o.RemoteWrite = []tsdb.RemoteWriteConfig{{URL: "https://127.0.0.1:1/write", CA: filepath.Join(t.TempDir(), "missing.pem")}}
	if _, err := tsdb.New(o); err == nil {
		t.Error("a CA that is missing is taken")
	}
	for name, c := range map[string]tsdb.RemoteWriteConfig{
		"url":          {URL: "127.0.0.1:9090"},
		"url with":     {URL: "http://user:password@127.0.0.1/write"},
		"username":     {URL: "http://127.0.0.1/write", Username: "a", PasswordFile: "b", TokenFile: "c"},
		"passwordFile": {URL: "http://127.0.0.1/write", Username: "a"},
		"keep":         {URL: "http://127.0.0.1/write", Keep: "("},
		"headers":      {URL: "http://127.0.0.1/write", Headers: map[string]secret.Text{"authorization": "a"}},
		"timeout":      {URL: "http://127.0.0.1/write", Timeout: -1},
	} {
		if err := (tsdb.Config{RemoteWrite: []tsdb.RemoteWriteConfig{c}}).Validate(); err == nil {
			t.Errorf("%s: found nothing", name)
		}
	}
}
