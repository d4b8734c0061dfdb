package kube

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

func (c *checker) autoscaler(f autoscalerFile) {
	c.Problems = append(c.Problems, f.Object.Check(c.Doc)...)
	at, spec := yamltree.Path{"spec"}, f.Spec
	if ref := spec.ScaleTargetRef; c.Clean(at.At("scaleTargetRef")) {
		switch {
		case ref.Kind != KindDeployment:
			c.Fail(at.At("scaleTargetRef", "kind"), "only a Deployment runs here, not a "+ref.Kind, "write "+KindDeployment)
		case ref.APIVersion != "" && ref.APIVersion != APIVersion:
			c.Fail(at.At("scaleTargetRef", "apiVersion"), "a Deployment of this version is not read: "+ref.APIVersion, "write "+APIVersion)
		}
	}
	if least := spec.MinReplicas; least != nil && c.Clean(at.At("minReplicas")) && c.Clean(at.At("maxReplicas")) {
		switch {
		case *least == 0:
			c.Fail(at.At("minReplicas"), "not supported yet: with 0 replicas nobody would answer the first request", "write 1")
		case *least > spec.MaxReplicas:
			c.Fail(at.At("maxReplicas"), fmt.Sprintf("must be at least minReplicas, which is %d, got %d", *least, spec.MaxReplicas), "")
		}
	}
	for i, m := range spec.Metrics {
		c.metric(at.At("metrics", i), m)
	}
	c.scalingRules(at.At("behavior", "scaleUp"), spec.Behavior.ScaleUp)
	c.scalingRules(at.At("behavior", "scaleDown"), spec.Behavior.ScaleDown)
}

// metric wants the source that the type names, and no other.
func (c *checker) metric(at yamltree.Path, m metricSpec) {
	sources := map[metricType]struct {
		field string
		set   bool
	}{
		"Resource": {"resource", m.Resource != nil}, "ContainerResource": {"containerResource", m.ContainerResource != nil},
		"Pods": {"pods", m.Pods != nil}, "Object": {"object", m.Object != nil}, "External": {"external", m.External != nil},
	}
	if !c.Clean(at) {
		return
	}
	for _, kind := range slices.Sorted(maps.Keys(sources)) {
		switch s := sources[kind]; {
		case kind == m.Type && !s.set:
			c.Fail(at, "type "+string(kind)+" wants "+s.field, "add "+s.field)
			return
		case kind != m.Type && s.set:
			c.Fail(at.At(s.field), "does not go with type "+string(m.Type), "remove it")
		}
	}
	switch m.Type {
	case "Resource":
		c.target(at.At("resource", "target"), m.Resource.Target, "Utilization", "AverageValue")
	case "ContainerResource":
		c.target(at.At("containerResource", "target"), m.ContainerResource.Target, "Utilization", "AverageValue")
	case "Pods":
		c.identifier(at.At("pods", "metric"), m.Pods.Metric)
		c.target(at.At("pods", "target"), m.Pods.Target, "AverageValue")
	case "External":
		c.identifier(at.At("external", "metric"), m.External.Metric)
		c.target(at.At("external", "target"), m.External.Target, "Value", "AverageValue")
	case "Object":
		c.identifier(at.At("object", "metric"), m.Object.Metric)
		c.target(at.At("object", "target"), m.Object.Target, "Value", "AverageValue")
		if kind := m.Object.DescribedObject.Kind; kind != "Service" {
			c.Fail(at.At("object", "describedObject", "kind"), "not supported yet: metrics here are those of a Service, not of a "+kind, "write Service, or take type External")
		}
	}
}

// target wants the value that the type of the target names, and no other.
func (c *checker) target(at yamltree.Path, t metricTarget, types ...targetType) {
	if !slices.Contains(types, t.Type) {
		fix := "write " + string(types[0])
		for _, other := range types[1:] {
			fix += " or " + string(other)
		}
		c.Fail(at.At("type"), "does not go with this kind of metric: "+string(t.Type), fix)
		return
	}
	for _, v := range []struct {
		of    targetType
		field string
		set   bool
		zero  bool
	}{
		{"Utilization", "averageUtilization", t.AverageUtilization != nil, false},
		{"AverageValue", "averageValue", t.AverageValue != nil, t.AverageValue != nil && t.AverageValue.Value == 0},
		{"Value", "value", t.Value != nil, t.Value != nil && t.Value.Value == 0},
	} {
		switch {
		case v.of == t.Type && !v.set:
			c.Fail(at, "type "+string(v.of)+" wants "+v.field, "add "+v.field)
		case v.of != t.Type && v.set:
			c.Fail(at.At(v.field), "does not go with type "+string(t.Type), "remove it")
		case v.zero:
			c.Fail(at.At(v.field), "must be more than 0", "")
		}
	}
}

var (
	metricNamePattern = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	labelNamePattern  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
)

// identifier wants what can be asked for in PromQL.
func (c *checker) identifier(at yamltree.Path, m metricIdentifier) {
	if !metricNamePattern.MatchString(m.Name) {
		c.Fail(at.At("name"), strconv.Quote(m.Name)+" is not the name of a metric of Prometheus, of which they are read here", "write letters, digits, '_' and ':'")
	}
	for _, key := range slices.Sorted(maps.Keys(m.Selector.MatchLabels)) {
		if !labelNamePattern.MatchString(key) {
			c.Fail(at.At("selector", "matchLabels", key), "is not the name of a label of Prometheus", "write letters, digits and '_'")
		}
	}
	for i, r := range m.Selector.MatchExpressions {
		here := at.At("selector", "matchExpressions", i)
		listed := r.Operator == "In" || r.Operator == "NotIn"
		switch {
		case !labelNamePattern.MatchString(r.Key):
			c.Fail(here.At("key"), strconv.Quote(r.Key)+" is not the name of a label of Prometheus", "write letters, digits and '_'")
		case listed != (len(r.Values) > 0):
			c.Fail(here.At("values"), "In and NotIn want values, Exists and DoesNotExist want none", "")
		}
	}
}

func (c *checker) scalingRules(at yamltree.Path, r *scalingRules) {
	if r == nil {
		return
	}
	if c.EmptyList(at.At("policies")) {
		c.Fail(at.At("policies"), "want a policy", "remove it for the default")
	}
	if len(r.Policies) > policiesMax {
		c.Fail(at.At("policies"), fmt.Sprintf("want at most %d, got %d", policiesMax, len(r.Policies)), "")
	}
	if r.Tolerance != nil && r.Tolerance.Value >= 1 && c.Clean(at.At("tolerance")) {
		c.Fail(at.At("tolerance"), "want a share below 1, got "+r.Tolerance.String(), "write 0.1 for a tenth")
	}
}

// policiesMax bounds the policies of one direction.
const policiesMax = 10
