package promapi_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"

	"github.com/afloat-dev/afloat/internal/signal/promapi"
	"github.com/afloat-dev/afloat/internal/signal/tsdb"
)

const ruleFile = `
groups:
  - name: shop
    rules:
      - record: route:requests:sum
        expr: sum by (route) (afloat_requests_total)
      - alert: Busy
        expr: route:requests:sum{route="pay"} > 3
        labels: {severity: page}
        annotations: {summary: "{{ $labels.route }} is busy"}
      - alert: Idle
        expr: route:requests:sum == 0
        for: 1m
  - name: other
    rules:
      - record: one
        expr: vector(1)
`

// evaluated runs rules over a store, twice: alerts read what was recorded.
func evaluated(t *testing.T, s *tsdb.Store) *rules.Manager {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte(ruleFile), 0o600); err != nil {
		t.Fatal(err)
	}
	m := rules.NewManager(&rules.ManagerOptions{
		QueryFunc: rules.EngineQueryFunc(s.Engine(), s.Queryable()), Queryable: s.Queryable(), Appendable: s.Appendable(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Context:    t.Context(), Logger: slog.New(slog.DiscardHandler), ExternalURL: &url.URL{}, Parser: s.Parser(),
	})
	if err := m.Update(time.Hour, []string{file}, labels.EmptyLabels(), "", nil); err != nil {
		t.Fatal(err)
	}
	go m.Run()
	t.Cleanup(m.Stop)
	for range 2 {
		for _, g := range m.RuleGroups() {
			g.Eval(t.Context(), time.Now())
		}
		time.Sleep(2 * time.Millisecond) // the same moment would be a duplicate
	}
	return m
}

func TestRulesAreListedWithTheirAlerts(t *testing.T) {
	s := newStore(t, nil)
	gathered(t, s)
	server := httptest.NewServer(promapi.Handler(promapi.Options{Store: s, Rules: evaluated(t, s), Address: "127.0.0.1:9900"}))
	t.Cleanup(server.Close)

	got := names(call(t, server, "GET", "/rules", nil))
	if want := "other/one:recording:ok shop/route:requests:sum:recording:ok shop/Busy:alerting:firing(1) shop/Idle:alerting:inactive(0) "; got != want {
		t.Errorf("rules: got  %s\nwant %s", got, want)
	}
	for query, want := range map[string]string{
		"type=record":                          "other/one:recording:ok shop/route:requests:sum:recording:ok ",
		"type=alert":                           "shop/Busy:alerting:firing(1) shop/Idle:alerting:inactive(0) ",
		"rule_group[]=other":                   "other/one:recording:ok ",
		"rule_name[]=Busy&exclude_alerts=true": "shop/Busy:alerting:firing(0) ",
		"rule_group[]=other&rule_group[]=shop&type=record&rule_name[]=one": "other/one:recording:ok ",
		"file[]=elsewhere": "",
	} {
		form, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := names(call(t, server, "GET", "/rules", form)); got != want {
			t.Errorf("%s: got  %s\nwant %s", query, got, want)
		}
	}
	alerts := call(t, server, "GET", "/alerts", nil).(map[string]any)["alerts"].([]any)
	if len(alerts) != 1 {
		t.Fatalf("alerts: %v", alerts)
	}
	busy := alerts[0].(map[string]any)
	want := map[string]any{"alertname": "Busy", "route": "pay", "severity": "page"}
	if fmt.Sprint(busy["labels"]) != fmt.Sprint(want) || busy["state"] != "firing" || busy["value"] != "4e+00" ||
		fmt.Sprint(busy["annotations"]) != "map[summary:pay is busy]" {
		t.Errorf("alerts: got %v", busy)
	}
	if status, _ := request(t, server, "GET", "/rules", url.Values{"type": {"wrong"}}); status != 400 {
		t.Errorf("a wrong type: got %d", status)
	}
}

// names are the rules of an answer, in short.
func names(data any) (out string) {
	for _, g := range data.(map[string]any)["groups"].([]any) {
		g := g.(map[string]any)
		for _, r := range g["rules"].([]any) {
			r := r.(map[string]any)
			state := r["health"]
			if r["type"] == "alerting" {
				state = fmt.Sprintf("%v(%d)", r["state"], len(r["alerts"].([]any)))
			}
			out += fmt.Sprintf("%v/%v:%v:%v ", g["name"], r["name"], r["type"], state)
		}
	}
	return out
}
