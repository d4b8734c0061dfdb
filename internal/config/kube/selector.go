package kube

import (
	"fmt"
	"slices"
	"strings"
)

// labelSelector picks replicas by their labels; all of it must hold.
type labelSelector struct {
	MatchLabels      map[string]string `yaml:"matchLabels"`
	MatchExpressions []requirement     `yaml:"matchExpressions"`
}

type requirement struct {
	Key      string   `yaml:"key" required:"true"`
	Operator operator `yaml:"operator" required:"true"`
	Values   []string `yaml:"values"`
}

type operator string

func (operator) Enum() []string { return []string{"In", "NotIn", "Exists", "DoesNotExist"} }

// matches tells whether labels satisfy the requirement.
func (r requirement) matches(labels map[string]string) bool {
	value, present := labels[r.Key]
	switch r.Operator {
	case "In":
		return present && slices.Contains(r.Values, value)
	case "NotIn":
		return !present || !slices.Contains(r.Values, value)
	case "Exists":
		return present
	}
	return !present
}

// String returns the requirement in the words of kubectl.
func (r requirement) String() string {
	switch r.Operator {
	case "In", "NotIn":
		return fmt.Sprintf("%s %s (%s)", r.Key, strings.ToLower(string(r.Operator)), strings.Join(r.Values, ", "))
	}
	return fmt.Sprintf("%s %s", r.Key, r.Operator)
}
