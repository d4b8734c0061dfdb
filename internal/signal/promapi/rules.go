package promapi

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"
)

// group is a group of rules as clients know it. A rule of either type has
// fields of its own.
type group struct {
	Name           string    `json:"name"`
	File           string    `json:"file"`
	Rules          []any     `json:"rules"`
	Interval       float64   `json:"interval"`
	Limit          int       `json:"limit"`
	EvaluationTime float64   `json:"evaluationTime"`
	LastEvaluation time.Time `json:"lastEvaluation"`
}

// rule is what both types have.
type rule struct {
	Name           string           `json:"name"`
	Query          string           `json:"query"`
	Labels         labels.Labels    `json:"labels"`
	Health         rules.RuleHealth `json:"health"`
	LastError      string           `json:"lastError,omitempty"`
	EvaluationTime float64          `json:"evaluationTime"`
	LastEvaluation time.Time        `json:"lastEvaluation"`
	Type           string           `json:"type"`
}

type alertingRule struct {
	rule
	State         string        `json:"state"`
	Duration      float64       `json:"duration"`
	KeepFiringFor float64       `json:"keepFiringFor"`
	Annotations   labels.Labels `json:"annotations"`
	Alerts        []alert       `json:"alerts"`
}

type alert struct {
	Labels          labels.Labels `json:"labels"`
	Annotations     labels.Labels `json:"annotations"`
	State           string        `json:"state"`
	ActiveAt        time.Time     `json:"activeAt,omitzero"`
	KeepFiringSince time.Time     `json:"keepFiringSince,omitzero"`
	Value           string        `json:"value"`
}

func (h *handler) groups() []*rules.Group {
	if h.Rules == nil {
		return nil
	}
	return h.Rules.RuleGroups()
}

// rules lists what is evaluated, by the names, groups and files that are asked
// for.
func (h *handler) rules(_ *http.Request, f *form) (found, error) {
	kind := f.values.Get("type")
	if kind != "" && kind != "alert" && kind != "record" {
		f.problem("type", "not supported value %q", kind)
	}
	alerts := f.values.Get("exclude_alerts") != "true"
	out := []group{}
	for _, g := range h.groups() {
		if !wanted(f, "rule_group[]", g.Name()) || !wanted(f, "file[]", g.File()) {
			continue
		}
		shown := group{
			Name: g.Name(), File: g.File(), Rules: []any{}, Interval: g.Interval().Seconds(), Limit: g.Limit(),
			EvaluationTime: g.GetEvaluationTime().Seconds(), LastEvaluation: g.GetLastEvaluation(),
		}
		for _, r := range g.Rules() {
			if !wanted(f, "rule_name[]", r.Name()) {
				continue
			}
			switch r := r.(type) {
			case *rules.AlertingRule:
				if kind != "record" {
					shown.Rules = append(shown.Rules, showAlerting(r, alerts))
				}
			default:
				if kind != "alert" {
					shown.Rules = append(shown.Rules, showRule(r, r.Query().String(), "recording"))
				}
			}
		}
		if len(shown.Rules) > 0 || len(f.values["rule_name[]"]) == 0 && kind == "" {
			out = append(out, shown)
		}
	}
	return found{data: map[string]any{"groups": out}}, nil
}

// wanted tells whether a name is among those asked for, or none are.
func wanted(f *form, name, is string) bool {
	return len(f.values[name]) == 0 || slices.Contains(f.values[name], is)
}

func showRule(r rules.Rule, query, kind string) rule {
	shown := rule{
		Name: r.Name(), Query: query, Labels: r.Labels(), Health: r.Health(), Type: kind,
		EvaluationTime: r.GetEvaluationDuration().Seconds(), LastEvaluation: r.GetEvaluationTimestamp(),
	}
	if err := r.LastError(); err != nil {
		shown.LastError = err.Error()
	}
	return shown
}

func showAlerting(r *rules.AlertingRule, alerts bool) alertingRule {
	shown := alertingRule{
		rule: showRule(r, r.Query().String(), "alerting"), State: r.State().String(), Annotations: r.Annotations(),
		Duration: r.HoldDuration().Seconds(), KeepFiringFor: r.KeepFiringFor().Seconds(), Alerts: []alert{},
	}
	if alerts {
		shown.Alerts = appendAlerts(shown.Alerts, r)
	}
	return shown
}

func appendAlerts(out []alert, r *rules.AlertingRule) []alert {
	for _, a := range r.ActiveAlerts() {
		out = append(out, alert{
			Labels: a.Labels, Annotations: a.Annotations, State: a.State.String(), ActiveAt: a.ActiveAt,
			KeepFiringSince: a.KeepFiringSince, Value: strconv.FormatFloat(a.Value, 'e', -1, 64),
		})
	}
	return out
}

// alerts lists those that are pending or firing.
func (h *handler) alerts(*http.Request, *form) (found, error) {
	out := []alert{}
	for _, g := range h.groups() {
		for _, r := range g.AlertingRules() {
			out = appendAlerts(out, r)
		}
	}
	return found{data: map[string]any{"alerts": out}}, nil
}

// alertmanagers are none: that of Afloat is in the process.
func (h *handler) alertmanagers(*http.Request, *form) (found, error) {
	return found{data: map[string]any{"activeAlertmanagers": []any{}, "droppedAlertmanagers": []any{}}}, nil
}
