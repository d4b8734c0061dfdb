package kube

import (
	"github.com/afloat-dev/afloat/internal/config/kube/meta"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// PodDisruptionBudget is how many replicas may be away on purpose (policy/v1).
type PodDisruptionBudget struct {
	Name      string
	Namespace string
	// MinAvailable and MaxUnavailable are nil where they are not said; one of
	// them is.
	MinAvailable   *IntOrPercent
	MaxUnavailable *IntOrPercent
	// AlwaysEvictUnready is the policy AlwaysAllow for those that are not ready.
	AlwaysEvictUnready bool

	selector labelSelector
}

// Picks tells whether the budget is about replicas with these labels.
func (b PodDisruptionBudget) Picks(labels map[string]string) bool {
	for key, want := range b.selector.MatchLabels {
		if got, present := labels[key]; !present || got != want {
			return false
		}
	}
	for _, r := range b.selector.MatchExpressions {
		if !r.matches(labels) {
			return false
		}
	}
	return true
}

// ReadBudget reads a document of this kind, verbatim.
func ReadBudget(doc *yamltree.Document) (PodDisruptionBudget, yamltree.Problems) {
	var file budgetFile
	c := &checker{meta.Checker{Doc: doc, Problems: doc.Decode(&file, yamltree.Options{Verbatim: true})}}
	c.budget(file)
	return PodDisruptionBudget{
		Name: file.Metadata.Name, Namespace: file.Metadata.Space(), selector: file.Spec.Selector,
		MinAvailable: file.Spec.MinAvailable, MaxUnavailable: file.Spec.MaxUnavailable,
		AlwaysEvictUnready: file.Spec.UnhealthyPodEvictionPolicy == "AlwaysAllow",
	}, c.Problems
}

type budgetFile struct {
	meta.Object `yaml:",inline"`
	Spec        budgetSpec `yaml:"spec" required:"true"`
}

type budgetSpec struct {
	MinAvailable               *IntOrPercent  `yaml:"minAvailable"`
	MaxUnavailable             *IntOrPercent  `yaml:"maxUnavailable"`
	Selector                   labelSelector  `yaml:"selector" required:"true"`
	UnhealthyPodEvictionPolicy evictionPolicy `yaml:"unhealthyPodEvictionPolicy"`
}

type evictionPolicy string

func (evictionPolicy) Enum() []string { return []string{"IfHealthyBudget", "AlwaysAllow"} }

func (c *checker) budget(f budgetFile) {
	c.Problems = append(c.Problems, f.Object.Check(c.Doc)...)
	at, spec := yamltree.Path{"spec"}, f.Spec
	switch least, most := spec.MinAvailable, spec.MaxUnavailable; {
	case least != nil && most != nil:
		c.Fail(at.At("maxUnavailable"), "does not go with minAvailable", "keep one of them")
	case least == nil && most == nil && c.Clean(at):
		c.Fail(at, "wants minAvailable or maxUnavailable", "add minAvailable: 1")
	}
	for field, v := range map[string]*IntOrPercent{"minAvailable": spec.MinAvailable, "maxUnavailable": spec.MaxUnavailable} {
		if v != nil && v.Percent && v.Count > 100 {
			c.Fail(at.At(field), "want at most 100%, got "+v.String(), "")
		}
	}
	for i, r := range spec.Selector.MatchExpressions {
		here := at.At("selector", "matchExpressions", i)
		if listed := r.Operator == "In" || r.Operator == "NotIn"; c.Clean(here) && listed != (len(r.Values) > 0) {
			c.Fail(here.At("values"), "In and NotIn want values, Exists and DoesNotExist want none", "")
		}
	}
}
