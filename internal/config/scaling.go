package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/afloat-dev/afloat/internal/config/kube"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
	"github.com/afloat-dev/afloat/internal/control/scale"
	"github.com/afloat-dev/afloat/internal/supervise"
	"github.com/afloat-dev/afloat/policy"
)

type autoscaler struct {
	at place
	kube.HorizontalPodAutoscaler
}

type budget struct {
	at place
	kube.PodDisruptionBudget
}

// addScaling notes by what a service of an afloat.yaml is scaled.
func (a *assembler) addScaling(name string, c *scale.Config, at place) {
	if c == nil {
		return
	}
	if !a.runs(name) {
		a.report(at.problem("wants a process: Afloat runs no more and no fewer of endpoints that it does not run", "write process: {command: [PROGRAM]}"))
		return
	}
	by := *c
	for _, p := range a.out.Processes {
		if p.Name == name {
			by.Requests = scale.Usage{CPU: float64(p.Requests.CPU), Memory: float64(p.Requests.Memory)}
		}
	}
	a.scaleBy(name, by, at)
}

func (a *assembler) scaleBy(name string, c scale.Config, at place) {
	if a.out.Scaling == nil {
		a.out.Scaling = map[string]scale.Config{}
	}
	a.out.Scaling[name] = c
	a.places.set(at, "scaling", name)
}

// addAutoscalers has Deployments scaled as their documents say.
func (a *assembler) addAutoscalers() {
	for _, h := range a.foreign.autoscalers {
		at := h.at.at("spec", "scaleTargetRef", "name")
		target := a.deployment(h.Target)
		switch first, said := a.places[key([]string{"scaling", h.Target})]; {
		case h.Target == "": // reported by its reader
		case said:
			a.report(at.problem("the Deployment is scaled already, by what stands at "+where(first), "keep one of them"))
		case target != nil && target.Namespace != h.Namespace:
			a.report(at.problem(fmt.Sprintf("no Deployment named %q is loaded in the namespace %s", h.Target, h.Namespace),
				fmt.Sprintf("write namespace: %s in the metadata, as the Deployment has it", target.Namespace)))
		case a.idle(h.Target):
			a.report(at.warning("ignored: the Deployment cannot run here", ""))
		case !a.runs(h.Target):
			known := slices.Sorted(maps.Keys(a.out.Gateway.Services))
			a.report(at.problem(fmt.Sprintf("no Deployment named %q is loaded", h.Target), unknownName(h.Target, known)))
		default:
			a.addAutoscaler(h, target)
		}
	}
}

// deployment is the one of that name, or nil.
func (a *assembler) deployment(name string) *deployment {
	i := slices.IndexFunc(a.foreign.deployments, func(d deployment) bool { return d.Name == name })
	if i < 0 {
		return nil
	}
	return &a.foreign.deployments[i]
}

func (a *assembler) addAutoscaler(h autoscaler, target *deployment) {
	var container *kube.Container
	if target != nil && len(target.Containers) > 0 {
		container = &target.Containers[0]
	}
	c := scale.Config{Min: h.Min, Max: h.Max, Up: scalingRules(h.Up), Down: scalingRules(h.Down)}
	if container != nil {
		c.Requests = scale.Usage{CPU: container.Resources.Request("cpu"), Memory: container.Resources.Request("memory")}
	}
	a.scaleBy(h.Target, c, h.at)
	for _, m := range h.Metrics {
		at := place{doc: h.at.doc, path: m.At, foreign: true}
		amount := &scale.Amount{Value: m.AverageValue}
		if m.Utilization > 0 {
			amount = &scale.Amount{Value: float64(m.Utilization) / 100, Percent: true}
		}
		switch {
		case m.Container != "" && container != nil && container.Name != m.Container:
			a.report(at.at("containerResource", "container").problem(fmt.Sprintf("the Deployment has no container named %q", m.Container), "write "+container.Name))
		case m.Resource == "cpu" && c.CPU != nil, m.Resource == "memory" && c.Memory != nil:
			a.report(at.problem("not supported yet: "+m.Resource+" stands twice", "keep one of them"))
		case m.Resource == "cpu":
			c.CPU = amount
			a.places.set(at, "scaling", h.Target, "cpu")
		case m.Resource == "memory":
			c.Memory = amount
			a.places.set(at, "scaling", h.Target, "memory")
		case m.Query != "":
			a.places.set(at, "scaling", h.Target, "metrics", len(c.Metrics))
			metric := scale.Metric{Name: m.Name, Query: m.Query, Value: m.Value, PerReplica: m.AverageValue}
			if m.EachReplica {
				metric.Each, metric.PerReplica = m.AverageValue, 0
			}
			c.Metrics = append(c.Metrics, metric)
		}
	}
	for field, theirs := range map[string]string{"min": "minReplicas", "max": "maxReplicas"} {
		a.places.set(h.at.at("spec", theirs), "scaling", h.Target, field)
	}
	a.places.set(h.at.at("spec", "behavior", "scaleUp"), "scaling", h.Target, "up")
	a.places.set(h.at.at("spec", "behavior", "scaleDown"), "scaling", h.Target, "down")
	a.out.Scaling[h.Target] = c
}

func scalingRules(r *kube.ScalingRules) scale.Rules {
	if r == nil {
		return scale.Rules{}
	}
	out := scale.Rules{Window: r.Window, Tolerance: r.Tolerance, Select: scale.Select(strings.ToLower(r.Select))}
	for _, p := range r.Policies {
		policy := scale.Policy{Replicas: p.Value, Period: p.Period}
		if p.Percent {
			policy.Replicas, policy.Percent = 0, p.Value
		}
		out.Policies = append(out.Policies, policy)
	}
	return out
}

// addBudgets gives Deployments the disruption budgets that pick them.
func (a *assembler) addBudgets() {
	for _, b := range a.foreign.budgets {
		picked := false
		for _, d := range a.foreign.deployments {
			if d.Namespace != b.Namespace || !b.Picks(d.Labels) {
				continue
			}
			picked = true
			a.addBudget(b, d)
		}
		if !picked {
			a.report(b.at.at("spec", "selector").warning("picks none of the Deployments that are loaded", ""))
		}
	}
}

func (a *assembler) addBudget(b budget, d deployment) {
	i := slices.IndexFunc(a.out.Processes, func(p process) bool { return p.Name == d.Name })
	if i < 0 {
		return // it cannot run here, which has been said
	}
	p := &a.out.Processes[i]
	if first, said := a.places[key([]string{"processes", d.Name, "budget"})]; said {
		a.report(b.at.at("metadata", "name").problem("the Deployment "+d.Name+" has a budget already, at "+where(first)+": with two, nothing of it could be evicted", "keep one of them"))
		return
	}
	a.places.set(b.at.at("spec"), "processes", d.Name, "budget")
	p.Budget = supervise.BudgetConfig{AlwaysEvictUnready: b.AlwaysEvictUnready}
	if b.MinAvailable != nil {
		p.Budget.MinAvailable = supervise.IntOrPercent(b.MinAvailable.String())
	}
	if b.MaxUnavailable != nil {
		p.Budget.MaxUnavailable = supervise.IntOrPercent(b.MaxUnavailable.String())
	}
}

// checkScaling places what is wrong with how services are scaled.
func (a *assembler) checkScaling() {
	for _, name := range slices.Sorted(maps.Keys(a.out.Scaling)) {
		for _, err := range flatten(a.out.Scaling[name].Validate()) {
			var e *policy.FieldError
			if !errors.As(err, &e) {
				continue
			}
			if at, ok := a.places.find(append([]string{"scaling", name}, yamltree.ParsePath(e.Field)...)); ok {
				a.report(at.problem(e.Problem, ""))
			}
		}
	}
}

// explainScaling says between which numbers a service is scaled, and by what.
func (a *Assembly) explainScaling(name string) []string {
	var out []string
	if c, ok := a.Scaling[name]; ok {
		c = c.WithDefaults()
		var by []string
		if c.CPU != nil {
			by = append(by, c.CPU.String()+" of CPU")
		}
		if c.Memory != nil {
			by = append(by, c.Memory.String()+" of memory")
		}
		for _, m := range c.Metrics {
			by = append(by, m.String())
		}
		out = append(out, fmt.Sprintf("between %d and %d replicas run, for %s", c.Min, c.Max, strings.Join(by, "; ")))
	}
	if i := slices.IndexFunc(a.Processes, func(p process) bool { return p.Name == name }); i >= 0 {
		switch b := a.Processes[i].Budget; {
		case b.MinAvailable != "":
			out = append(out, fmt.Sprintf("%s of the replicas stay available, whatever is done on purpose", b.MinAvailable))
		case b.MaxUnavailable != "":
			out = append(out, fmt.Sprintf("at most %s of the replicas are away on purpose", b.MaxUnavailable))
		}
	}
	return out
}
