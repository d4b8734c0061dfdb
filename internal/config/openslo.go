package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/afloat-dev/afloat/internal/alert"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
	"github.com/afloat-dev/afloat/policy"
)

// What is read of OpenSLO (https://openslo.com).
const (
	kindSLO        = "SLO"
	apiVersionSLO  = "openslo/v1"
	budgetByEvents = "Occurrences"
)

func readsOpenSLO(doc *yamltree.Document) bool {
	return doc.Kind() == kindSLO && doc.APIVersion() == apiVersionSLO
}

// openSLO is a document with objectives of a service.
type openSLO struct {
	APIVersion string      `yaml:"apiVersion"`
	Kind       string      `yaml:"kind"`
	Metadata   openSLOData `yaml:"metadata" required:"true"`
	Spec       openSLOSpec `yaml:"spec" required:"true"`
}

type openSLOData struct {
	Name        string   `yaml:"name" required:"true"`
	DisplayName string   `yaml:"displayName"`
	Labels      anything `yaml:"labels"`
	Annotations anything `yaml:"annotations"`
}

type openSLOSpec struct {
	Description     string             `yaml:"description"`
	Service         string             `yaml:"service" required:"true"`
	Indicator       *openSLOIndicator  `yaml:"indicator" required:"true"`
	TimeWindow      []openSLOWindow    `yaml:"timeWindow"`
	BudgetingMethod string             `yaml:"budgetingMethod"`
	Objectives      []openSLOObjective `yaml:"objectives" required:"true"`
}

// YAMLNotes lists what is not supported.
func (openSLOSpec) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"indicatorRef":  {Severity: yamltree.Error, Word: "not supported: documents do not refer to each other here", Fix: "write the indicator in its place"},
		"alertPolicies": {Severity: yamltree.Warning, Word: "ignored: who is told, and when, is said under alerts"},
	}
}

type openSLOIndicator struct {
	Metadata anything `yaml:"metadata"`
	Spec     struct {
		Description string        `yaml:"description"`
		RatioMetric *openSLORatio `yaml:"ratioMetric" required:"true"`
	} `yaml:"spec" required:"true"`
}

// YAMLNotes lists what is not supported.
func (openSLOIndicator) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{"thresholdMetric": {Severity: yamltree.Error, Word: "not supported", Fix: "write a ratioMetric"}}
}

type openSLORatio struct {
	Counter *bool          `yaml:"counter"`
	Good    *openSLOMetric `yaml:"good"`
	Bad     *openSLOMetric `yaml:"bad"`
	Total   *openSLOMetric `yaml:"total" required:"true"`
}

// YAMLNotes lists what is not supported.
func (openSLORatio) YAMLNotes() map[string]yamltree.Note {
	raw := yamltree.Note{Severity: yamltree.Error, Word: "not supported: a ratio cannot be summed up", Fix: "write good and total, or bad and total"}
	return map[string]yamltree.Note{"raw": raw, "rawType": raw}
}

type openSLOMetric struct {
	Source struct {
		Type string `yaml:"type"`
		Spec struct {
			Query string `yaml:"query" required:"true"`
		} `yaml:"spec" required:"true"`
	} `yaml:"metricSource" required:"true"`
}

type openSLOWindow struct {
	Duration  string `yaml:"duration" required:"true"`
	IsRolling *bool  `yaml:"isRolling"`
}

// YAMLNotes lists what is not supported.
func (openSLOWindow) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{"calendar": {Severity: yamltree.Error, Word: "not supported: windows roll", Fix: "write isRolling: true"}}
}

type openSLOObjective struct {
	DisplayName   string   `yaml:"displayName"`
	Target        *float64 `yaml:"target"`
	TargetPercent *float64 `yaml:"targetPercent"`
}

// YAMLNotes lists what is not supported.
func (openSLOObjective) YAMLNotes() map[string]yamltree.Note {
	notes := map[string]yamltree.Note{}
	for _, name := range []string{"op", "value", "timeSliceTarget", "timeSliceWindow", "indicator", "indicatorRef", "compositeWeight"} {
		notes[name] = yamltree.Note{Severity: yamltree.Error, Word: "not supported", Fix: "remove it; an objective here is a target"}
	}
	return notes
}

// readOpenSLO takes over the objectives of a document: the first by its name,
// others with a number behind it.
func (a *assembler) readOpenSLO(doc *yamltree.Document) {
	var s openSLO
	problems := doc.Decode(&s, yamltree.Options{Verbatim: true})
	a.report(problems...)
	if problems.Err() != nil {
		return
	}
	at := place{doc: doc, foreign: true}.at("spec")
	c := alert.ObjectiveConfig{Service: s.Spec.Service, Window: a.openSLOWindow(s.Spec.TimeWindow, at.at("timeWindow"))}
	ratio := s.Spec.Indicator.Spec.RatioMetric
	counters := at.at("indicator", "spec", "ratioMetric")
	if ratio.Counter != nil && !*ratio.Counter {
		a.report(counters.at("counter").problem("gauges are not supported", "write counters that only grow, and counter: true"))
	}
	for _, m := range []struct {
		name string
		from *openSLOMetric
		to   *string
	}{{"good", ratio.Good, &c.Good}, {"bad", ratio.Bad, &c.Bad}, {"total", ratio.Total, &c.Total}} {
		if m.from == nil {
			continue
		}
		if !strings.EqualFold(m.from.Source.Type, "Prometheus") && m.from.Source.Type != "" {
			a.report(counters.at(m.name, "metricSource", "type").problem("only Prometheus is supported, got "+m.from.Source.Type, ""))
		}
		*m.to = m.from.Source.Spec.Query
	}
	if method := s.Spec.BudgetingMethod; method != "" && method != budgetByEvents {
		a.report(at.at("budgetingMethod").problem("not supported: "+method, "write "+budgetByEvents))
	}
	for i, o := range s.Spec.Objectives {
		name, here := s.Metadata.Name, at.at("objectives", i)
		if i > 0 {
			name += "-" + strconv.Itoa(i+1)
		}
		switch {
		case (o.Target == nil) == (o.TargetPercent == nil):
			a.report(here.problem("want target or targetPercent", "write target: 0.999"))
			continue
		case o.Target != nil:
			c.Target = policy.Ratio(*o.Target)
		default:
			c.Target = policy.Ratio(*o.TargetPercent / 100)
		}
		a.addObjective(name, c, here)
	}
}

// openSLOWindow reads the one window that there may be.
func (a *assembler) openSLOWindow(all []openSLOWindow, at place) time.Duration {
	if len(all) == 0 {
		return 0
	}
	if len(all) > 1 {
		a.report(at.at(1).problem("want one window", "remove the others"))
	}
	if all[0].IsRolling != nil && !*all[0].IsRolling {
		a.report(at.at(0, "isRolling").problem("only rolling windows are supported", "write isRolling: true"))
	}
	d, err := model.ParseDuration(all[0].Duration)
	if err != nil {
		a.report(at.at(0, "duration").problem(fmt.Sprintf("want a time such as 28d, got %q", all[0].Duration), ""))
	}
	return time.Duration(d)
}
