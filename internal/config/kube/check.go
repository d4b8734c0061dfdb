package kube

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/afloat-dev/afloat/internal/config/kube/meta"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// A checker adds what only this package knows.
type checker struct{ meta.Checker }

func (c *checker) deployment(f deploymentFile) {
	if f.Kind != "" && f.Kind != KindDeployment {
		c.Fail(yamltree.Path{"kind"}, "want "+KindDeployment+", got "+f.Kind, "")
	}
	if f.APIVersion != "" && f.APIVersion != APIVersion {
		c.Fail(yamltree.Path{"apiVersion"}, "this version is not known: "+f.APIVersion, "write "+APIVersion)
	}
	c.Problems = append(c.Problems, f.Object.Check(c.Doc)...)
	at, spec := yamltree.Path{"spec"}, f.Spec
	if spec.Replicas != nil && *spec.Replicas == 0 && c.Clean(at.At("replicas")) {
		c.Warn(at.At("replicas"), "with 0 replicas nothing runs", "")
	}
	if deadline := or(spec.ProgressDeadlineSeconds, 600); deadline <= spec.MinReadySeconds && c.Clean(at.At("progressDeadlineSeconds")) {
		c.Fail(at.At("progressDeadlineSeconds"), fmt.Sprintf("must be more than minReadySeconds, which is %d, got %d", spec.MinReadySeconds, deadline), "")
	}
	c.strategy(at.At("strategy"), spec.Strategy)
	template := at.At("template")
	if _, found := c.Doc.Find(template); found {
		c.selector(at.At("selector"), spec.Selector, spec.Template.Metadata.Labels)
	}
	c.Problems = append(c.Problems, meta.CheckLabels(c.Doc, template.At("metadata", "labels"), spec.Template.Metadata.Labels)...)
	c.pod(template.At("spec"), spec.Template.Spec)
}

func (c *checker) strategy(at yamltree.Path, s strategy) {
	if s.Type == "Recreate" && s.RollingUpdate != nil {
		c.Fail(at.At("rollingUpdate"), "does not go with type Recreate", "remove it")
	}
	r := s.RollingUpdate
	if r == nil || !c.Clean(at) {
		return
	}
	unavailable, surge := or(r.MaxUnavailable, quarter), or(r.MaxSurge, quarter)
	if unavailable.Count == 0 && surge.Count == 0 {
		c.Fail(at.At("rollingUpdate"), "maxUnavailable and maxSurge are both 0, so no replica could be replaced", "make one of them 1")
	}
	if unavailable.Percent && unavailable.Count > 100 {
		c.Fail(at.At("rollingUpdate", "maxUnavailable"), "want at most 100%, got "+unavailable.String(), "")
	}
}

func (c *checker) selector(at yamltree.Path, s labelSelector, labels map[string]string) {
	if len(s.MatchLabels) == 0 && len(s.MatchExpressions) == 0 && c.Clean(at) {
		c.Fail(at, "is empty", "write matchLabels as in template.metadata.labels")
	}
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		got, present := labels[key]
		want := s.MatchLabels[key]
		switch here := at.At("matchLabels", key); {
		case !present:
			c.Fail(here, "template.metadata.labels has no "+key, fmt.Sprintf("add %s: %s there", key, want))
		case got != want:
			c.Fail(here, fmt.Sprintf("does not match template.metadata.labels, where it is %q", got), "write the same in both")
		}
	}
	for i, r := range s.MatchExpressions {
		here := at.At("matchExpressions", i)
		listed := r.Operator == "In" || r.Operator == "NotIn"
		switch {
		case !c.Clean(here):
		case listed != (len(r.Values) > 0):
			c.Fail(here.At("values"), "In and NotIn want values, Exists and DoesNotExist want none", "")
		case !r.matches(labels):
			c.Fail(here, r.String()+" does not match template.metadata.labels", "")
		}
	}
}

func (c *checker) pod(at yamltree.Path, p podSpec) {
	if p.RestartPolicy != "" && p.RestartPolicy != "Always" {
		c.Fail(at.At("restartPolicy"), "a Deployment always restarts", "write Always")
	}
	containers := at.At("containers")
	if c.EmptyList(containers) {
		c.Fail(containers, "want a container", "")
	}
	if len(p.Containers) > 1 {
		c.Fail(containers.At(1), fmt.Sprintf("there are %d containers, but a replica is one process here", len(p.Containers)), "keep one of them")
	}
	seen := map[string]bool{}
	for i, container := range p.Containers {
		if seen[container.Name] {
			c.Fail(containers.At(i, "name"), strconv.Quote(container.Name)+" stands twice", "give each container a name of its own")
		}
		seen[container.Name] = container.Name != ""
		c.container(containers.At(i), container)
		c.security(containers.At(i, "securityContext"), container.Security, p.Security)
	}
}

func (c *checker) container(at yamltree.Path, k Container) {
	if k.Name != "" && !meta.IsLabel(k.Name) {
		c.Fail(at.At("name"), strconv.Quote(k.Name)+" is not a valid name", "write at most 63 lower-case letters, digits and '-'")
	}
	if node, ok := c.Doc.Find(at); ok && node.Kind() == yamltree.Map && len(k.Command) == 0 && c.Clean(at.At("command")) {
		c.Warn(at, noCommand(k), "add "+at.At("command").String())
	}
	if strings.ContainsFunc(k.Image, blank) {
		c.Fail(at.At("image"), strconv.Quote(k.Image)+" is not the name of an image", "remove blanks")
	}
	if len(k.Command) > 0 && k.Command[0] == "" {
		c.Fail(at.At("command", 0), "is empty", "write the program")
	}
	c.env(at.At("env"), k.Env)
	c.ports(at.At("ports"), k.Ports)
	c.resources(at.At("resources"), k.Resources)
	c.probe(at.At("startupProbe"), k, k.Startup)
	c.probe(at.At("readinessProbe"), k, k.Readiness)
	c.probe(at.At("livenessProbe"), k, k.Liveness)
	c.preStop(at.At("lifecycle", "preStop"), k, k.Lifecycle.PreStop)
}

// blank tells whether r separates words or cannot be printed.
func blank(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }

func (c *checker) env(at yamltree.Path, env []EnvVar) {
	seen := map[string]bool{}
	for i, v := range env {
		here := at.At(i, "name")
		if strings.ContainsAny(v.Name, "=\x00") {
			c.Fail(here, strconv.Quote(v.Name)+" is not the name of a variable", "")
		}
		if seen[v.Name] {
			c.Warn(here, strconv.Quote(v.Name)+" stands twice: the later value counts", "keep one of them")
		}
		seen[v.Name] = v.Name != ""
	}
}

func (c *checker) ports(at yamltree.Path, ports []Port) {
	names, numbers := map[string]bool{}, map[int]bool{}
	for i, p := range ports {
		if fix := kindOfPort(p.Name); p.Name != "" && fix != "" {
			c.Fail(at.At(i, "name"), strconv.Quote(p.Name)+" is not the name of a port", fix)
		}
		if names[p.Name] {
			c.Fail(at.At(i, "name"), strconv.Quote(p.Name)+" stands twice", "give each port a name of its own")
		}
		if numbers[p.ContainerPort] {
			c.Warn(at.At(i, "containerPort"), fmt.Sprintf("%d stands twice", p.ContainerPort), "keep one of them")
		}
		names[p.Name], numbers[p.ContainerPort] = p.Name != "", p.ContainerPort != 0
	}
}

var portNamePattern = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// kindOfPort tells how to mend a port's name (RFC 6335); it returns nothing for
// a good one.
func kindOfPort(name string) string {
	if len(name) > 15 || !portNamePattern.MatchString(name) || strings.Trim(name, "0123456789-") == "" {
		return "a name has at most 15 lower-case letters, digits and '-', and at least one letter"
	}
	return ""
}

func (c *checker) resources(at yamltree.Path, r Resources) {
	known := []string{"cpu", "memory", "ephemeral-storage"}
	for _, part := range []struct {
		name string
		of   map[string]Quantity
	}{{"requests", r.Requests}, {"limits", r.Limits}} {
		for _, name := range slices.Sorted(maps.Keys(part.of)) {
			if strings.Contains(name, "/") || strings.HasPrefix(name, "hugepages-") || slices.Contains(known, name) {
				continue
			}
			fix := "known are " + strings.Join(known, ", ")
			if near := yamltree.Suggest(name, known); near != "" {
				fix = "did you mean " + near + "?"
			}
			c.Fail(at.At(part.name, name), "is not a resource", fix)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Requests)) {
		request, limit := r.Requests[name], r.Limits[name]
		if limit.Text != "" && request.Value > limit.Value {
			c.Fail(at.At("requests", name), fmt.Sprintf("requests %s, more than the limit of %s", request, limit), "")
		}
	}
	for _, part := range []string{"requests", "limits"} {
		if here := at.At(part, "ephemeral-storage"); hasField(c, here) {
			c.Warn(here, "not enforced: replicas are plain processes", "")
		}
	}
}

func hasField(c *checker, at yamltree.Path) bool {
	_, found := c.Doc.Find(at)
	return found
}
