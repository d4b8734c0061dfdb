package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/afloat-dev/afloat/internal/alert"
	"github.com/afloat-dev/afloat/internal/config/kube/meta"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
	"github.com/afloat-dev/afloat/policy"
)

// What is read of the Prometheus operator's documents.
const (
	kindPrometheusRule       = "PrometheusRule"
	apiVersionPrometheusRule = "monitoring.coreos.com/v1"
)

func readsPrometheusRule(doc *yamltree.Document) bool {
	return doc.Kind() == kindPrometheusRule && doc.APIVersion() == apiVersionPrometheusRule
}

// prometheusRule is a document of rules. The rules themselves are read as
// Prometheus reads them.
type prometheusRule struct {
	meta.Object `yaml:",inline"`
	Spec        struct {
		Groups anything `yaml:"groups"`
	} `yaml:"spec" required:"true"`
}

// anything takes any value.
type anything struct{}

// DecodeYAML leaves the value to another reader.
func (*anything) DecodeYAML(*yamltree.Decoder, *yamltree.Node) {}

// readPrometheusRule takes over the groups of a document.
func (a *assembler) readPrometheusRule(doc *yamltree.Document) {
	var r prometheusRule
	a.report(doc.Decode(&r, yamltree.Options{Verbatim: true})...)
	a.report(r.Object.Check(doc)...)
	at := yamltree.Path{"spec", "groups"}
	text, ok := doc.Cutout(at)
	switch _, there := doc.Find(at); {
	case !there:
		return
	case !ok:
		a.report(doc.ProblemAt(at, "cannot be read within { }", "write spec and groups on lines of their own"))
		return
	}
	source := alert.RuleSource{Name: doc.File(), Text: dedent(text)}
	margin := 0
	if n, _ := doc.Find(at); n != nil {
		_, column := n.Position()
		margin = column - 1
	}
	a.ruleErrors(source, margin)
	a.out.Alerts.Sources = append(a.out.Alerts.Sources, source)
}

// dedent moves a text to the left by the margin of its first line.
func dedent(text []byte) []byte {
	margin := -1
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		rest := strings.TrimLeft(line, " ")
		if margin < 0 && strings.TrimSpace(rest) != "" {
			margin = len(line) - len(rest)
		}
		if margin > 0 {
			line = line[min(margin, len(line)-len(rest)):]
		}
		out.WriteString(line)
	}
	return []byte(out.String())
}

// ruleErrors reports what is wrong with a text of rules that stands so far to
// the right.
func (a *assembler) ruleErrors(s alert.RuleSource, margin int) {
	_, err := alert.ParseRules(s)
	lines := strings.Split(string(s.Text), "\n")
	for _, err := range flatten(err) {
		var e *alert.RuleError
		if !errors.As(err, &e) {
			continue
		}
		p := yamltree.Problem{File: e.Name, Line: e.Line, Column: e.Column + margin, Message: e.Problem}
		if e.Line <= len(lines) {
			p.Source = strings.Repeat(" ", margin) + lines[e.Line-1]
		}
		a.report(p)
	}
}

// mergeAlerts takes over what a file says of alerts and objectives.
func (a *assembler) mergeAlerts(n native) {
	at := place{doc: n.doc}
	if _, said := n.doc.Find(yamltree.Path{"alerts"}); said {
		a.once(at.at("alerts"), true, func() {
			sources := a.out.Alerts.Sources
			a.out.Alerts = n.file.Alerts
			a.out.Alerts.Sources = sources
		})
	}
	for _, name := range slices.Sorted(maps.Keys(n.file.SLO)) {
		a.addObjective(name, n.file.SLO[name], at.at("slo", name))
	}
}

func (a *assembler) addObjective(name string, c alert.ObjectiveConfig, at place) {
	if first, ok := a.places[key([]string{"slo", name})]; ok {
		a.report(at.problem("the objective stands twice, first at "+where(first), "keep one of them, or give one another name"))
		return
	}
	a.places.set(at, "slo", name)
	if a.out.Alerts.Objectives == nil {
		a.out.Alerts.Objectives = map[string]alert.ObjectiveConfig{}
	}
	a.out.Alerts.Objectives[name] = c
}

// checkAlerts looks for what is wrong with alerts and objectives.
func (a *assembler) checkAlerts() {
	a.placed("alerts", a.out.Alerts.Validate())
	a.placed("slo", alert.ValidateObjectives(a.out.Alerts.Objectives))
	a.checkKept()
	for _, name := range slices.Sorted(maps.Keys(a.out.Alerts.Objectives)) {
		o := a.out.Alerts.Objectives[name]
		service := o.Service
		if service == "" {
			service = name
		}
		at, ok := a.places[key([]string{"slo", name})]
		if _, known := a.out.Gateway.Services[service]; known || o.Total != "" || !ok {
			continue
		}
		fix := unknownName(service, slices.Sorted(maps.Keys(a.out.Gateway.Services)))
		if fix == "" {
			fix = "write service: NAME"
		}
		a.report(at.problem(fmt.Sprintf("there is no service %q whose requests would count", service), fix))
	}
}

// placed reports a package's FieldErrors where the fields stand.
func (a *assembler) placed(part string, err error) {
	for _, err := range flatten(err) {
		var e *policy.FieldError
		if !errors.As(err, &e) {
			continue
		}
		path := append([]string{part}, yamltree.ParsePath(e.Field)...)
		if at, ok := a.places.find(path); ok {
			a.report(at.problem(e.Problem, ""))
		}
	}
}

// readAlertFiles reads the files of rules and of Alertmanager that the
// configuration names.
func (a *assembler) readAlertFiles() {
	c := &a.out.Alerts
	if c.Disabled {
		return
	}
	for i, pattern := range c.Rules {
		sources, err := alert.ReadRules([]string{pattern})
		if err != nil {
			a.alertProblem(err, "alerts", "rules", fmt.Sprint(i))
			continue
		}
		for _, s := range sources {
			a.ruleErrors(s, 0)
			c.Sources = append(c.Sources, s)
			a.out.watched = append(a.out.watched, s.Name)
		}
	}
	c.Rules = nil // they are among the sources now
	if c.Alertmanager != "" {
		a.out.watched = append(a.out.watched, c.Alertmanager)
		if err := alert.CheckAlertmanager(c.Alertmanager); err != nil {
			a.alertProblem(err, "alerts", "alertmanager")
		}
	}
}

func (a *assembler) alertProblem(err error, path ...string) {
	if at, ok := a.places.find(path); ok {
		a.report(at.problem(strings.ReplaceAll(err.Error(), "\n", ""), ""))
	}
}

// alertsPart is what Diff compares of alerts. Secrets, rules and the files that
// are named are told apart by a digest, and so never shown.
func (a *Assembly) alertsPart() (settings any, contents string) {
	type secret struct {
		Webhook, PagerDuty, Discord, Teams, Opsgenie, Slack, Password, Telegram string
	}
	secrets := map[string]secret{}
	for name, r := range a.Alerts.Receivers {
		s := secret{Webhook: string(r.Webhook), Discord: string(r.Discord), Teams: string(r.Teams)}
		if r.PagerDuty != nil {
			s.PagerDuty = string(r.PagerDuty.Key)
		}
		if r.Opsgenie != nil {
			s.Opsgenie = string(r.Opsgenie.Key)
		}
		if r.Slack != nil {
			s.Slack = string(r.Slack.URL)
		}
		if r.Email != nil {
			s.Password = string(r.Email.Password)
		}
		if r.Telegram != nil {
			s.Telegram = string(r.Telegram.Token)
		}
		secrets[name] = s
	}
	hash := sha256.New()
	_ = json.NewEncoder(hash).Encode(secrets) // strings alone
	for _, s := range a.Alerts.Sources {
		hash.Write(s.Text)
	}
	if a.Alerts.Alertmanager != "" {
		text, err := os.ReadFile(a.Alerts.Alertmanager)
		hash.Write(text)
		fmt.Fprint(hash, err)
	}
	return a.Alerts, hex.EncodeToString(hash.Sum(nil))
}

// Watched lists the files that the configuration depends on.
func (a *Assembly) Watched() []string { return slices.Concat(a.Files, a.watched) }

// explainAlerts says who is told of what.
func (a *Assembly) explainAlerts() (out []string) {
	c := a.Alerts.WithDefaults()
	if c.Disabled {
		return []string{"Nothing is watched, and nobody is told."}
	}
	if c.Alertmanager != "" {
		out = append(out, "Who is told of alerts says "+c.Alertmanager+".")
	}
	for _, t := range []struct {
		name alert.Tier
		tier alert.TierConfig
	}{{alert.P0, c.P0}, {alert.P1, c.P1}, {alert.P2, c.P2}} {
		to := c.Told(t.name)
		if len(to) == 0 {
			continue
		}
		text := fmt.Sprintf("%s alerts are told to %s after %s", t.name, strings.Join(to, ", "), short(t.tier.GroupWait))
		if len(t.tier.EscalateTo) > 0 {
			text += fmt.Sprintf(", and to %s when nobody acknowledges them for %s", strings.Join(t.tier.EscalateTo, ", "), short(t.tier.EscalateAfter))
		}
		out = append(out, text+".")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Objectives)) {
		o := c.Objectives[name].WithDefaults()
		text := fmt.Sprintf("Objective %s: %s of the requests are good", name, o.Target)
		if o.Within > 0 {
			text = fmt.Sprintf("Objective %s: %s of the requests are good within %s", name, o.Target, short(o.Within))
		}
		out = append(out, text+", over "+short(o.Window)+".")
	}
	return out
}

// checkKept warns of rules that have nothing to look at, and of windows longer
// than metrics are kept.
func (a *assembler) checkKept() {
	kept := a.out.Metrics.WithDefaults()
	if kept.Disabled {
		for _, part := range []string{"alerts", "slo"} {
			for _, path := range a.said(part) {
				if at, ok := a.places[key(path)]; ok && (part == "slo" || len(a.out.Alerts.Rules) > 0) {
					a.report(at.warning("metrics are not kept, so that no rule can look at them", "remove metrics: {disabled: true}"))
				}
			}
		}
		return
	}
	for name, o := range a.out.Alerts.Objectives {
		window := o.WithDefaults().Window
		if at, ok := a.places[key([]string{"slo", name})]; ok && window > kept.Retention && o.Window > 0 {
			a.report(at.warning(fmt.Sprintf("metrics are kept for %s, which is less than its window", short(kept.Retention)), "write metrics: {retention: "+short(window)+"}"))
		}
	}
}

// said lists the paths at which something is said of a part.
func (a *assembler) said(part string) [][]string {
	if part != "slo" {
		return [][]string{{part}}
	}
	var all [][]string
	for _, name := range slices.Sorted(maps.Keys(a.out.Alerts.Objectives)) {
		all = append(all, []string{part, name})
	}
	return all
}
