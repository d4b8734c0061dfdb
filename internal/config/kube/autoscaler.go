package kube

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/config/kube/meta"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// HorizontalPodAutoscaler is by what the replicas of a Deployment grow and
// shrink in number (autoscaling/v2).
type HorizontalPodAutoscaler struct {
	Name      string
	Namespace string
	// Target is the Deployment's name.
	Target string
	// Min and Max bound the number; Min is 1 by default.
	Min, Max int
	Metrics  []ScalingMetric
	// Up and Down are nil where the document leaves them to the defaults.
	Up, Down *ScalingRules
}

// ScalingMetric is one of the figures: Resource is cpu or memory, or Query is an
// expression in PromQL.
type ScalingMetric struct {
	Resource string
	// Container is the one that a ContainerResource is of.
	Container string
	Query     string
	Name      string
	// EachReplica is whether every replica has a value of its own.
	EachReplica bool
	// One of these is the target: a percentage of the request, an amount for each
	// replica, or one for all.
	Utilization  int
	AverageValue float64
	Value        float64
	// At is where the figure stands.
	At yamltree.Path
}

// ScalingRules bound how fast the number changes in one direction.
type ScalingRules struct {
	Window    *time.Duration
	Select    string // Max, Min, Disabled or empty
	Policies  []ScalingPolicy
	Tolerance *float64
}

// ScalingPolicy bounds the change in a time, by pods or by percent.
type ScalingPolicy struct {
	Percent bool
	Value   int
	Period  time.Duration
}

// ReadAutoscaler reads a document of this kind, verbatim.
func ReadAutoscaler(doc *yamltree.Document) (HorizontalPodAutoscaler, yamltree.Problems) {
	var file autoscalerFile
	c := &checker{meta.Checker{Doc: doc, Problems: doc.Decode(&file, yamltree.Options{Verbatim: true})}}
	c.autoscaler(file)
	return file.autoscaler(), c.Problems
}

type autoscalerFile struct {
	meta.Object `yaml:",inline"`
	Spec        autoscalerSpec `yaml:"spec" required:"true"`
}

type autoscalerSpec struct {
	ScaleTargetRef objectReference  `yaml:"scaleTargetRef" required:"true"`
	MinReplicas    *int             `yaml:"minReplicas" min:"0" max:"1000"`
	MaxReplicas    int              `yaml:"maxReplicas" required:"true" min:"1" max:"1000"`
	Metrics        []metricSpec     `yaml:"metrics"`
	Behavior       scalingBehaviour `yaml:"behavior"`
}

type objectReference struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind" required:"true"`
	Name       string `yaml:"name" required:"true"`
}

type scalingBehaviour struct {
	ScaleUp   *scalingRules `yaml:"scaleUp"`
	ScaleDown *scalingRules `yaml:"scaleDown"`
}

type scalingRules struct {
	StabilizationWindowSeconds *int            `yaml:"stabilizationWindowSeconds" min:"0" max:"3600"`
	SelectPolicy               policySelect    `yaml:"selectPolicy"`
	Policies                   []scalingPolicy `yaml:"policies"`
	Tolerance                  *Quantity       `yaml:"tolerance"`
}

type policySelect string

func (policySelect) Enum() []string { return []string{"Max", "Min", "Disabled"} }

type scalingPolicy struct {
	Type          policyType `yaml:"type" required:"true"`
	Value         int        `yaml:"value" required:"true" min:"1"`
	PeriodSeconds int        `yaml:"periodSeconds" required:"true" min:"1" max:"1800"`
}

type policyType string

func (policyType) Enum() []string { return []string{"Pods", "Percent"} }

type metricSpec struct {
	Type              metricType         `yaml:"type" required:"true"`
	Resource          *resourceSource    `yaml:"resource"`
	ContainerResource *containerResource `yaml:"containerResource"`
	Pods              *metricSource      `yaml:"pods"`
	Object            *objectSource      `yaml:"object"`
	External          *metricSource      `yaml:"external"`
}

type metricType string

func (metricType) Enum() []string {
	return []string{"Resource", "ContainerResource", "Pods", "Object", "External"}
}

type resourceSource struct {
	Name   resourceName `yaml:"name" required:"true"`
	Target metricTarget `yaml:"target" required:"true"`
}

type resourceName string

func (resourceName) Enum() []string { return []string{"cpu", "memory"} }

type containerResource struct {
	resourceSource `yaml:",inline"`
	Container      string `yaml:"container" required:"true"`
}

type metricSource struct {
	Metric metricIdentifier `yaml:"metric" required:"true"`
	Target metricTarget     `yaml:"target" required:"true"`
}

type objectSource struct {
	metricSource    `yaml:",inline"`
	DescribedObject objectReference `yaml:"describedObject" required:"true"`
}

type metricIdentifier struct {
	Name     string        `yaml:"name" required:"true"`
	Selector labelSelector `yaml:"selector"`
}

type metricTarget struct {
	Type               targetType `yaml:"type" required:"true"`
	Value              *Quantity  `yaml:"value"`
	AverageValue       *Quantity  `yaml:"averageValue"`
	AverageUtilization *int       `yaml:"averageUtilization" min:"1"`
}

type targetType string

func (targetType) Enum() []string { return []string{"Utilization", "Value", "AverageValue"} }

func (f autoscalerFile) autoscaler() HorizontalPodAutoscaler {
	s := f.Spec
	h := HorizontalPodAutoscaler{
		Name: f.Metadata.Name, Namespace: f.Metadata.Space(), Target: s.ScaleTargetRef.Name,
		Min: or(s.MinReplicas, 1), Max: s.MaxReplicas, Up: s.Behavior.ScaleUp.rules(), Down: s.Behavior.ScaleDown.rules(),
	}
	for i, m := range s.Metrics {
		metric := m.metric()
		metric.At = yamltree.Path{"spec"}.At("metrics", i)
		h.Metrics = append(h.Metrics, metric)
	}
	return h
}

func (r *scalingRules) rules() *ScalingRules {
	if r == nil {
		return nil
	}
	out := &ScalingRules{Select: string(r.SelectPolicy)}
	if r.StabilizationWindowSeconds != nil {
		window := time.Duration(*r.StabilizationWindowSeconds) * time.Second
		out.Window = &window
	}
	if r.Tolerance != nil {
		out.Tolerance = &r.Tolerance.Value
	}
	for _, p := range r.Policies {
		out.Policies = append(out.Policies, ScalingPolicy{Percent: p.Type == "Percent", Value: p.Value, Period: time.Duration(p.PeriodSeconds) * time.Second})
	}
	return out
}

func (m metricSpec) metric() ScalingMetric {
	var out ScalingMetric
	var target metricTarget
	switch {
	case m.Resource != nil:
		out.Resource, target = string(m.Resource.Name), m.Resource.Target
	case m.ContainerResource != nil:
		out.Resource, target = string(m.ContainerResource.Name), m.ContainerResource.Target
		out.Container = m.ContainerResource.Container
	case m.Pods != nil:
		out.Name, out.Query, target = m.Pods.Metric.Name, m.Pods.Metric.query(""), m.Pods.Target
		out.EachReplica = true
	case m.Object != nil:
		out.Name, out.Query, target = m.Object.Metric.Name, m.Object.Metric.query(m.Object.DescribedObject.Name), m.Object.Target
	case m.External != nil:
		out.Name, out.Query, target = m.External.Metric.Name, m.External.Metric.query(""), m.External.Target
	}
	if out.Name == "" {
		out.Name = out.Resource
	}
	switch target.Type {
	case "Utilization":
		out.Utilization = or(target.AverageUtilization, 0)
	case "AverageValue":
		out.AverageValue = or(target.AverageValue, Quantity{}).Value
	case "Value":
		out.Value = or(target.Value, Quantity{}).Value
	}
	return out
}

// query is the metric as a selector of PromQL, of a service where one is named.
func (m metricIdentifier) query(service string) string {
	var all []string
	if service != "" {
		all = append(all, "service="+strconv.Quote(service))
	}
	for key, value := range m.Selector.MatchLabels {
		all = append(all, key+"="+strconv.Quote(value))
	}
	for _, r := range m.Selector.MatchExpressions {
		values := make([]string, len(r.Values))
		for i, v := range r.Values {
			values[i] = regexp.QuoteMeta(v)
		}
		any := strconv.Quote(strings.Join(values, "|"))
		all = append(all, r.Key+map[operator]string{"In": "=~" + any, "NotIn": "!~" + any, "Exists": `!=""`, "DoesNotExist": `=""`}[r.Operator])
	}
	slices.Sort(all)
	return fmt.Sprintf("%s{%s}", m.Name, strings.Join(all, ","))
}
