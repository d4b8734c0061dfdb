package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/alert"
)

func TestOpenSLOIsAnObjective(t *testing.T) {
	a, problems := Assemble([]Source{{"slo.yaml", []byte(`services: {web: {endpoints: [127.0.0.1:9001]}}
slo: {web: 99%}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: orders, displayName: Orders}
spec:
  service: web
  budgetingMethod: Occurrences
  timeWindow: [{duration: 1w, isRolling: true}]
  indicator:
    metadata: {name: good-orders}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: bad_total}}}
        total: {metricSource: {type: Prometheus, spec: {query: all_total}}}
  objectives: [{target: 0.995}, {targetPercent: 99}]
`)}}, Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	common := alert.ObjectiveConfig{Target: 0.995, Service: "web", Window: 7 * 24 * time.Hour, Bad: "bad_total", Total: "all_total"}
	second := common
	second.Target = 0.99
	want := map[string]alert.ObjectiveConfig{"web": {Target: 0.99}, "orders": common, "orders-2": second}
	if diff := cmp.Diff(want, a.Alerts.Objectives); diff != "" {
		t.Error(diff)
	}
}

func TestPrometheusRuleIsRead(t *testing.T) {
	text := `services: {web: {endpoints: [127.0.0.1:9001]}}
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: mine}
spec:
    groups:
      - name: a
        rules: [{alert: X, expr: up == 0}]
`
	a, problems := Assemble([]Source{{"rules.yaml", []byte(text)}}, Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if len(a.Alerts.Sources) != 1 {
		t.Fatalf("got %+v", a.Alerts.Sources)
	}
	groups, err := alert.ParseRules(a.Alerts.Sources[0])
	if err != nil || len(groups.Groups) != 1 || groups.Groups[0].Rules[0].Alert != "X" {
		t.Errorf("got %+v, %v", groups, err)
	}
	_, problems = Assemble([]Source{{"rules.yaml", []byte(strings.Replace(text, "up == 0", "up ==", 1))}}, Options{})
	if got := problems.Error(); !strings.HasPrefix(got, "rules.yaml:9:34: ") {
		t.Errorf("got %s", got)
	}
}

func TestRuleFilesAreReadAndWatched(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rules := write("mine.rules", "groups:\n- name: a\n  rules: [{alert: X, expr: up}]\n")
	file := write("afloat.yaml", "services: {web: {endpoints: [127.0.0.1:9001]}}\nalerts: {rules: ['"+dir+"/*.rules'], receivers: {hook: {webhook: 'http://127.0.0.1/a'}}}\n")
	first, problems := Load([]string{file}, Options{})
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	if !slices.Contains(first.Watched(), rules) || len(first.Alerts.Sources) != 1 {
		t.Errorf("watched are %v", first.Watched())
	}
	write("mine.rules", "groups:\n- name: a\n  rules: [{alert: Y, expr: up}]\n")
	second, problems := Load([]string{file}, Options{})
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	if diff := cmp.Diff([]string{"alerts: contents changed"}, second.Diff(first)); diff != "" {
		t.Error(diff)
	}
	write("mine.rules", "groups:\n- name: a\n  rules: [{alert: Y, expr: 'up ='}]\n")
	if _, problems := Load([]string{file}, Options{}); !strings.HasPrefix(problems.Error(), rules+":3:28: ") {
		t.Errorf("got %v", problems)
	}
	write("mine.rules", "groups: []\n")
	write("afloat.yaml", "services: {web: {endpoints: [127.0.0.1:9001]}}\nalerts: {rules: ['"+dir+"/*.rules', '"+dir+"/none.yaml'], alertmanager: '"+file+"'}\n")
	if _, problems := Load([]string{file}, Options{}); !strings.Contains(problems.Error(), "file does not exist") || !strings.Contains(problems.Error(), "field services not found") {
		t.Errorf("got %v", problems)
	}
}

func TestSecretsOfAlertsAreTakenForChangesAndNeverShown(t *testing.T) {
	load := func(secret string) *Assembly {
		a, problems := Assemble([]Source{{"a.yaml", []byte(`services: {web: {endpoints: [127.0.0.1:9001]}}
alerts:
  receivers:
    chat: {slack: {url: "https://example.com/` + secret + `"}}
    phone: {pagerduty: ` + secret + `}
    other: {opsgenie: {key: ` + secret + `, url: "http://127.0.0.1:9"}}
    mail: {email: {to: [a@b.c], from: a@b.c, server: "m:25", password: ` + secret + `}}
    bot: {telegram: {token: ` + secret + `, chat: 1}}
`)}}, Options{})
		if problems.Err() != nil {
			t.Fatal(problems)
		}
		return a
	}
	changes := load("hunter3").Diff(load("hunter2"))
	if diff := cmp.Diff([]string{"alerts: contents changed"}, changes); diff != "" {
		t.Error(diff)
	}
	if all := strings.Join(load("hunter2").Diff(nil), " ") + strings.Join(load("hunter2").Explain(), " "); strings.Contains(all, "hunter") {
		t.Errorf("shows a secret: %s", all)
	}
}

func TestAlertsAreExplained(t *testing.T) {
	a, problems := Assemble([]Source{{"a.yaml", []byte(`services: {web: {endpoints: [127.0.0.1:9001]}}
alerts:
  receivers: {team: "http://127.0.0.1/t", phone: {pagerduty: k}, boss: "http://127.0.0.1/b"}
  p0: {to: [phone, team], escalateTo: [boss]}
slo: {web: 99.9%, fast: {service: web, target: 95%, within: 300ms, window: 24h}}
`)}}, Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	got := a.Explain()
	want := []string{
		"P0 alerts are told to phone, team after 250ms, and to boss when nobody acknowledges them for 15m.",
		"P1 alerts are told to phone, team after 15s.",
		"P2 alerts are told to phone, team after 1m.",
		"Objective fast: 95% of the requests are good within 300ms, over 24h.",
		"Objective web: 99.9% of the requests are good, over 720h.",
	}
	if diff := cmp.Diff(want, got[len(got)-len(want):]); diff != "" {
		t.Error(diff)
	}
}

func TestObjectivesWantKeptMetrics(t *testing.T) {
	for text, want := range map[string]string{
		"metrics: {disabled: true}\nslo: {web: 99%}":                       "warning: slo.web: metrics are not kept",
		"metrics: {retention: 2h}\nslo: {web: {target: 99%, window: 24h}}": "warning: slo.web: metrics are kept for 2h, which is less than its window",
		"metrics: {disabled: true}\nalerts: {rules: [x.yaml]}":             "warning: alerts: metrics are not kept",
	} {
		_, problems := Assemble([]Source{{"a.yaml", []byte("services: {web: {endpoints: [127.0.0.1:9001]}}\n" + text)}}, Options{})
		if got := problems.Error(); problems.Err() != nil || !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
