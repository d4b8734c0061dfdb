package alert

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"

	"github.com/afloat-dev/afloat/policy"
)

// ObjectiveConfig is what users of a service may rely on.
type ObjectiveConfig struct {
	// Target is the share of the requests that must be good. Required.
	Target policy.Ratio `yaml:"target"`
	// Service is whose requests count. Default: the objective's name.
	Service string `yaml:"service"`
	// Route limits it to the requests of one route. Default: those of all.
	Route string `yaml:"route"`
	// Within is how fast an answer must be to be good. Default: a request is good
	// that does not fail, however long it takes.
	Within time.Duration `yaml:"within"`
	// Good and Total are counters in PromQL, in place of the service's requests:
	// what went well, and all.
	Good string `yaml:"good"`
	// Total goes with good, or with bad.
	Total string `yaml:"total"`
	// Bad is a counter in PromQL of what went wrong, in place of good.
	Bad string `yaml:"bad"`
	// Window is the time over which the target must be met. Default 720h, which is
	// 30 days.
	Window time.Duration `yaml:"window"`
	// BadMin is how many requests must have been bad before anybody is told, so
	// that a service with little traffic does not page for one. Default 10.
	BadMin int `yaml:"badMin"`
	// Quiet tells nobody: the budget is only recorded.
	Quiet bool `yaml:"quiet"`
}

// ShortYAML lets the target stand for the objective.
func (ObjectiveConfig) ShortYAML() string { return "target" }

// WithDefaults returns the Config with every zero field that has a default set
// to it, but for the service, which depends on the objective's name.
func (c ObjectiveConfig) WithDefaults() ObjectiveConfig {
	c.Window = cmp.Or(c.Window, month)
	c.BadMin = cmp.Or(c.BadMin, 10)
	return c
}

const (
	month         = 30 * 24 * time.Hour
	windowMin     = 10 * time.Minute
	windowMax     = 366 * 24 * time.Hour
	objectivesMax = 500
)

// burn is a pace at which the error budget is used up, and the times over which
// it is looked at: with both, an alert comes soon and ends soon (B. Beyer et
// al., "The Site Reliability Workbook", chapter 5). Times are for a window of 30
// days, and scaled to that of the objective.
type burn struct {
	name        string
	tier        Tier
	pace        float64
	long, short time.Duration
}

var burns = []burn{
	{"fast", P1, 14.4, time.Hour, 5 * time.Minute},
	{"steady", P1, 6, 6 * time.Hour, 30 * time.Minute},
	{"slow", P2, 1, 3 * 24 * time.Hour, 6 * time.Hour},
}

// ValidateObjectives returns every problem of objectives, joined, each a
// [policy.FieldError] whose field begins with the objective's name.
func ValidateObjectives(all map[string]ObjectiveConfig) error {
	v := &validator{}
	v.want(len(all) <= objectivesMax, "", "want at most %d objectives, got %d", objectivesMax, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		v.objective(name, all[name])
	}
	return errors.Join(v.problems...)
}

func (v *validator) objective(name string, c ObjectiveConfig) {
	d := c.WithDefaults()
	v.want(c.Target > 0 && c.Target < 1, name+".target", "want more than 0%% and less than 100%%, such as 99.9%%, got %v", c.Target)
	v.span(d.Window, windowMin, windowMax, name+".window")
	v.want(c.Within >= 0, name+".within", "want a time, got %v", c.Within)
	v.want(d.BadMin >= 1, name+".badMin", "want 1 or more, got %d", c.BadMin)
	own := c.Good != "" || c.Bad != "" || c.Total != ""
	v.want(!own || c.Total != "" && (c.Good == "") != (c.Bad == ""), name+".total", "own counters are total, with good or bad")
	v.want(!own || c.Within == 0 && c.Route == "", name+".within", "within and route do not go with own counters")
	for _, counter := range []struct{ field, text string }{{"good", c.Good}, {"bad", c.Bad}, {"total", c.Total}} {
		if counter.text == "" {
			continue
		}
		_, err := expressions.ParseExpr(increase(counter.text, "30s"))
		v.want(err == nil, name+"."+counter.field, "want a counter in PromQL, such as requests_total{job=\"shop\"}: %v", err)
	}
}

// objectives makes the rules of all objectives: a group for each.
//
//	slo:bad:step, slo:total:step    what came in each step
//	slo:burn:1h and so on           pace at which the budget is used up over a time
//	slo:budget_left                 share of it that is left over the whole window
func objectives(all map[string]ObjectiveConfig) *rulefmt.RuleGroups {
	groups := &rulefmt.RuleGroups{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		groups.Groups = append(groups.Groups, all[name].WithDefaults().rules(name))
	}
	return groups
}

func (c ObjectiveConfig) rules(name string) rulefmt.RuleGroup {
	scale := float64(c.Window) / float64(month)
	scaled := func(d time.Duration) time.Duration {
		return max(time.Duration(float64(d)*scale).Round(time.Second), time.Second)
	}
	step := min(max(scaled(burns[0].short)/10, time.Second).Round(time.Second), 30*time.Second)
	labels := map[string]string{"slo": name}
	if service := c.of(name); service != "" {
		labels[labelService] = service
	}
	selector := `{slo=` + strconv.Quote(name) + `}`
	over := func(what string, d time.Duration) string {
		// Summed, as an objective whose service was changed has had series of both.
		return fmt.Sprintf("sum(sum_over_time(slo:%s:step%s[%s]))", what, selector, model.Duration(d))
	}
	pace := func(d time.Duration) string {
		return fmt.Sprintf("(%s / (%s > 0)) / %g", over("bad", d), over("total", d), c.allowed())
	}
	bad, total := c.counts(name, step)
	g := rulefmt.RuleGroup{Name: name, Interval: model.Duration(step), Rules: []rulefmt.Rule{
		{Record: "slo:bad:step", Expr: bad, Labels: labels},
		{Record: "slo:total:step", Expr: total, Labels: labels},
		{Record: "slo:target", Expr: fmt.Sprintf("vector(%g)", float64(c.Target)), Labels: labels},
		{Record: "slo:budget_left", Expr: "1 - " + pace(c.Window), Labels: labels},
	}}
	for _, b := range burns {
		long, short := scaled(b.long), scaled(b.short)
		g.Rules = append(g.Rules, rulefmt.Rule{Record: "slo:burn:" + b.name, Expr: pace(long), Labels: labels})
		if c.Quiet {
			continue
		}
		g.Rules = append(g.Rules, rulefmt.Rule{
			Alert: "BudgetBurns",
			Expr: fmt.Sprintf("slo:burn:%s%s > %g and on () (%s > %g) and on () (%s >= %d)",
				b.name, selector, b.pace, pace(short), b.pace, over("bad", long), c.BadMin),
			Labels: merged(labels, map[string]string{labelTier: string(b.tier), "burn": b.name}),
			Annotations: map[string]string{
				noteSummary: fmt.Sprintf("%s uses its error budget {{ $value | humanize }} times too fast", name),
				"description": fmt.Sprintf("Over %s, and still over %s. %s of the requests of %s must be good over %s.",
					spell(long), spell(short), percent(c.Target), cmp.Or(c.of(name), name), spell(c.Window)),
			},
		})
	}
	return g
}

// of is the service of an objective; empty with counters of its own that say
// none.
func (c ObjectiveConfig) of(name string) string {
	if c.Total != "" {
		return c.Service
	}
	return cmp.Or(c.Service, name)
}

// allowed is the share that may be bad.
func (c ObjectiveConfig) allowed() float64 { return 1 - float64(c.Target) }

// clientsOwn is what clients do to themselves: it neither counts as good nor as bad.
const clientsOwn = `access_denied|bad_request|body_too_large|client_slow|idempotency_key|no_route|not_cached|rate_limited`

// counts are what was bad and all, in a step.
func (c ObjectiveConfig) counts(name string, step time.Duration) (bad, total string) {
	// Two steps overlap the next one's first sample by nothing, and see a counter
	// that is read once a second several times.
	span := model.Duration(max(step, 2*time.Second)).String()
	per := func(expr string) string {
		if step < 2*time.Second {
			return fmt.Sprintf("(%s) / %g", expr, (2*time.Second).Seconds()/step.Seconds())
		}
		return expr
	}
	if c.Total != "" {
		total = increase(c.Total, span)
		if c.Bad != "" {
			return per(increase(c.Bad, span) + " or vector(0)"), per(total)
		}
		return per("clamp_min(" + total + " - (" + increase(c.Good, span) + " or vector(0)), 0)"), per(total)
	}
	selector := labelService + "=" + strconv.Quote(c.of(name))
	if c.Route != "" {
		selector += ",route=" + strconv.Quote(c.Route)
	}
	own := fmt.Sprintf(`(sum(increase(afloat_requests_failed_total{%s,reason=~"%s"}[%s])) or vector(0))`, selector, clientsOwn, span)
	total = fmt.Sprintf("clamp_min(sum(increase(afloat_requests_total{%s}[%s])) - %s, 0)", selector, span, own)
	bad = fmt.Sprintf(`(sum(increase(afloat_requests_failed_total{%s,reason!~"%s"}[%s])) or vector(0))`, selector, clientsOwn, span)
	if c.Within > 0 {
		latency := fmt.Sprintf("sum(increase(afloat_request_duration_seconds{%s}[%s]))", selector, span)
		slow := fmt.Sprintf("((1 - histogram_fraction(-1, %g, %s)) * histogram_count(%s) >= 0 or vector(0))", c.Within.Seconds(), latency, latency)
		// What fails and what is slow may be the same requests: the larger counts.
		bad = fmt.Sprintf("(%s > %s) or %s", bad, slow, slow)
	}
	return per(bad), per(total)
}

func increase(counter, span string) string {
	return fmt.Sprintf("sum(increase((%s)[%s:1s]))", counter, span)
}

func merged(x, y map[string]string) map[string]string {
	all := maps.Clone(x)
	maps.Copy(all, y)
	return all
}

func percent(r policy.Ratio) string { return strconv.FormatFloat(100*float64(r), 'g', 8, 64) + "%" }
