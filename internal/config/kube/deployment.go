// Package kube reads documents of Kubernetes into structs of its own: the
// Deployment (apps/v1), and says in words what would run of it; the
// HorizontalPodAutoscaler (autoscaling/v2) and the PodDisruptionBudget
// (policy/v1), which belong to a Deployment.
//
// Afloat runs a Deployment as processes of this machine: one process for each
// replica, started by the container's command. Every field of the real API is
// supported, warned about where ignoring it is harmless, or refused by name
// where ignoring it would change what runs; the tables are in fields.go. The
// defaults are those of Kubernetes and are filled in.
package kube

import (
	"time"

	"github.com/afloat-dev/afloat/internal/config/kube/meta"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// What this package reads.
const (
	APIVersion           = "apps/v1"
	KindDeployment       = "Deployment"
	AutoscalerAPIVersion = "autoscaling/v2"
	KindAutoscaler       = "HorizontalPodAutoscaler"
	BudgetAPIVersion     = "policy/v1"
	KindBudget           = "PodDisruptionBudget"
)

// Versions are what is read, by kind.
var Versions = map[string]string{
	KindDeployment: APIVersion, KindAutoscaler: AutoscalerAPIVersion, KindBudget: BudgetAPIVersion,
}

// Reads tells whether the document is of a kind and version that this package
// reads.
func Reads(doc *yamltree.Document) bool {
	version, known := Versions[doc.Kind()]
	return known && doc.APIVersion() == version
}

// Deployment is a number of equal replicas and how they are replaced.
type Deployment struct {
	Name      string
	Namespace string
	// Replicas is how many run at a time; default 1.
	Replicas int
	// Strategy is how a rolling update goes; default 25% and 25%.
	Strategy RollingUpdate
	// Recreate stops all replicas before new ones start, in place of Strategy.
	Recreate bool
	// MinReady is how long a new replica must be ready before it counts.
	MinReady time.Duration
	// ProgressDeadline is how long a rollout may stand still; default 10m.
	ProgressDeadline time.Duration
	// Labels are those of the replicas, from the template.
	Labels map[string]string
	// Grace is the time a replica has to end after SIGTERM; default 30s.
	Grace time.Duration
	// Containers are as in the document; only a single one can run.
	Containers []Container
}

// RollingUpdate bounds the replacement of replicas.
type RollingUpdate struct {
	// MaxUnavailable is how many replicas may be missing; a percentage is
	// rounded down.
	MaxUnavailable IntOrPercent
	// MaxSurge is how many more replicas may exist; a percentage is rounded up.
	MaxSurge IntOrPercent
}

// ReadDeployment reads a document of this kind, verbatim, without
// environment variables of Afloat: $(VAR) in it belongs to the replica. Paths in
// problems, also those that a caller adds, begin at the document:
// spec.template.spec.containers[0].
//
// A document may be good and yet name nothing that can run here: see
// [Deployment.Runnable].
func ReadDeployment(doc *yamltree.Document) (Deployment, yamltree.Problems) {
	var file deploymentFile
	c := &checker{meta.Checker{Doc: doc, Problems: doc.Decode(&file, yamltree.Options{Verbatim: true})}}
	c.deployment(file)
	return file.deployment(), c.Problems
}

type deploymentFile struct {
	meta.Object `yaml:",inline"`
	Spec        deploymentSpec `yaml:"spec" required:"true"`
}

type deploymentSpec struct {
	Replicas                *int32        `yaml:"replicas" min:"0" max:"1000"`
	Selector                labelSelector `yaml:"selector" required:"true"`
	Template                podTemplate   `yaml:"template" required:"true"`
	Strategy                strategy      `yaml:"strategy"`
	MinReadySeconds         int32         `yaml:"minReadySeconds" min:"0"`
	ProgressDeadlineSeconds *int32        `yaml:"progressDeadlineSeconds" min:"1"`
}

type strategy struct {
	Type          strategyType   `yaml:"type"`
	RollingUpdate *rollingUpdate `yaml:"rollingUpdate"`
}

type strategyType string

func (strategyType) Enum() []string { return []string{"RollingUpdate", "Recreate"} }

type rollingUpdate struct {
	MaxUnavailable *IntOrPercent `yaml:"maxUnavailable"`
	MaxSurge       *IntOrPercent `yaml:"maxSurge"`
}

type podTemplate struct {
	Metadata podMetadata `yaml:"metadata"`
	Spec     podSpec     `yaml:"spec" required:"true"`
}

type podMetadata struct {
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

type podSpec struct {
	Containers                    []Container   `yaml:"containers" required:"true"`
	RestartPolicy                 restartPolicy `yaml:"restartPolicy"`
	TerminationGracePeriodSeconds *int64        `yaml:"terminationGracePeriodSeconds" min:"0" max:"86400"`
	Security                      podSecurity   `yaml:"securityContext"`
}

type restartPolicy string

func (restartPolicy) Enum() []string { return []string{"Always", "OnFailure", "Never"} }

// deployment fills in the defaults of Kubernetes.
func (f deploymentFile) deployment() Deployment {
	spec, pod := f.Spec, f.Spec.Template.Spec
	d := Deployment{
		Name: f.Metadata.Name, Namespace: f.Metadata.Space(),
		Replicas:         int(or(spec.Replicas, 1)),
		Strategy:         RollingUpdate{MaxUnavailable: quarter, MaxSurge: quarter},
		Recreate:         spec.Strategy.Type == "Recreate",
		MinReady:         time.Duration(spec.MinReadySeconds) * time.Second,
		ProgressDeadline: time.Duration(or(spec.ProgressDeadlineSeconds, 600)) * time.Second,
		Labels:           spec.Template.Metadata.Labels,
		Grace:            time.Duration(or(pod.TerminationGracePeriodSeconds, 30)) * time.Second,
	}
	if r := spec.Strategy.RollingUpdate; r != nil {
		d.Strategy = RollingUpdate{MaxUnavailable: or(r.MaxUnavailable, quarter), MaxSurge: or(r.MaxSurge, quarter)}
	}
	for _, c := range pod.Containers {
		d.Containers = append(d.Containers, c.withDefaults(pod.Security))
	}
	return d
}

func or[T any](value *T, fallback T) T {
	if value == nil {
		return fallback
	}
	return *value
}
