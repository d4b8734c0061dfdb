package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/control/scale"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// webDeployment is a Deployment of four that requests half a CPU.
const webDeployment = `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: app, command: [/bin/web], resources: {requests: {cpu: 500m}, limits: {memory: 1Gi}}}
`

const webAutoscaler = `---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 10
`

const webBudget = `---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 75%, selector: {matchLabels: {app: web}}}
`

func scaled(t *testing.T, text string) (*Assembly, string) {
	t.Helper()
	a, problems := Assemble([]Source{{Name: "f.yaml", Data: []byte(text)}}, Options{})
	return a, problems.Error()
}

func TestAutoscalerAndBudgetAreThoseOfTheDeployment(t *testing.T) {
	a, problems := scaled(t, webDeployment+webAutoscaler+`  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}
  - {type: ContainerResource, containerResource: {name: memory, container: app, target: {type: Utilization, averageUtilization: 50}}}
  - {type: Pods, pods: {metric: {name: busy}, target: {type: AverageValue, averageValue: 10}}}
  - {type: External, external: {metric: {name: jobs}, target: {type: Value, value: 20}}}
  - {type: External, external: {metric: {name: mails}, target: {type: AverageValue, averageValue: 30}}}
  behavior: {scaleDown: {policies: [{type: Percent, value: 50, periodSeconds: 60}], selectPolicy: Min, stabilizationWindowSeconds: 60}}
`+webBudget)
	if a == nil {
		t.Fatal(problems)
	}
	minute := time.Minute
	want := scale.Config{Min: 2, Max: 10, CPU: &scale.Amount{Value: 0.6, Percent: true}, Memory: &scale.Amount{Value: 0.5, Percent: true},
		Metrics:  []scale.Metric{{Name: "busy", Query: "busy{}", Each: 10}, {Name: "jobs", Query: "jobs{}", Value: 20}, {Name: "mails", Query: "mails{}", PerReplica: 30}},
		Down:     scale.Rules{Window: &minute, Select: scale.SelectMin, Policies: []scale.Policy{{Percent: 50, Period: time.Minute}}},
		Requests: scale.Usage{CPU: 0.5, Memory: 1 << 30}}
	if diff := cmp.Diff(want, a.Scaling["web"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(supervise.BudgetConfig{MinAvailable: "75%"}, a.Processes[0].Budget); diff != "" {
		t.Error(diff)
	}
	said := strings.Join(a.Explain(), "\n")
	for _, want := range []string{
		"Service web: between 2 and 10 replicas run, for 60% of CPU; 50% of memory; 10 of its own busy for each; 20 of jobs; 30 of mails for each.",
		"Service web: 75% of the replicas stay available, whatever is done on purpose.",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("explain does not say %q:\n%s", want, said)
		}
	}
	more, _ := scaled(t, strings.ReplaceAll(webDeployment+webAutoscaler, "500m", "250m"))
	less, _ := scaled(t, webDeployment+webAutoscaler)
	if changes := more.Diff(less); len(changes) != 2 || !strings.HasPrefix(changes[1], "scaling of web: requests is 0.25 CPUs") {
		t.Errorf("the difference is %q", changes)
	}
}

func TestNoNamespaceIsTheDefaultOne(t *testing.T) {
	said := func(text string) string {
		return strings.Replace(text, "metadata: {name: web}", "metadata: {name: web, namespace: default}", 1)
	}
	metrics := "  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}]\n"
	for _, text := range []string{said(webDeployment) + webAutoscaler + metrics + webBudget, webDeployment + said(webAutoscaler) + metrics + said(webBudget)} {
		a, problems := scaled(t, text)
		if a == nil || a.Scaling["web"].Max != 10 || a.Processes[0].Budget.MinAvailable != "75%" {
			t.Errorf("%s\n%s", problems, text)
		}
	}
}

func TestARequestIsTheLimitWhereNoneIsSaid(t *testing.T) {
	for resources, want := range map[string]supervise.ResourcesConfig{
		"limits: {cpu: 2, memory: 1Gi}":                             {CPU: 2, Memory: 1 << 30},
		"requests: {cpu: 500m}, limits: {cpu: 2}":                   {CPU: 0.5},
		"requests: {cpu: 0}, limits: {cpu: 2, memory: 1Gi}":         {Memory: 1 << 30},
		"requests: {memory: 1Mi}, limits: {ephemeral-storage: 1Gi}": {Memory: 1 << 20},
	} {
		text := strings.Replace(webDeployment, "requests: {cpu: 500m}, limits: {memory: 1Gi}", resources, 1)
		if a, problems := scaled(t, text); a == nil || a.Processes[0].Requests != want {
			t.Errorf("%s: %v %+v", resources, problems, a)
		}
	}
}

func TestScaleInShort(t *testing.T) {
	a, problems := scaled(t, `
services:
  web:
    process: {command: [/bin/web], replicas: 2, budget: {maxUnavailable: 1}}
    scale:
      max: 8
      cpu: 0.7
      memory: 300Mi
      metrics: [{query: "sum(jobs)", perReplica: 10}]
      up: {window: 30s, policies: [{replicas: 2, period: 1m}]}
      down: {select: disabled, tolerance: 0}
`)
	if a == nil {
		t.Fatal(problems)
	}
	half, none := 30*time.Second, 0.0
	want := scale.Config{Max: 8, CPU: &scale.Amount{Value: 0.7}, Memory: &scale.Amount{Value: 300 << 20}, Metrics: []scale.Metric{{Query: "sum(jobs)", PerReplica: 10}},
		Up:   scale.Rules{Window: &half, Policies: []scale.Policy{{Replicas: 2, Period: time.Minute}}},
		Down: scale.Rules{Select: scale.SelectDisabled, Tolerance: &none}}
	if diff := cmp.Diff(want, a.Scaling["web"]); diff != "" {
		t.Error(diff)
	}
}

func TestProblemsOfScalingHavePlaces(t *testing.T) {
	process := "services:\n  web:\n    process: {command: [/bin/web]}\n"
	for _, test := range []struct{ text, want string }{
		{"services:\n  web:\n    endpoints: [127.0.0.1:1]\n    scale: {max: 3, cpu: 1}\n", "f.yaml:4:12: services.web.scale: wants a process"},
		{process + "    scale: {cpu: 1}\n", "f.yaml:4:5: services.web.scale.max: is required"},
		{process + "    scale: {max: 3}\n", "f.yaml:4:5: services.web.scale.cpu: want cpu, memory or metrics"},
		{process + "    scale: {max: 3, cpu: 70%}\n", "f.yaml:4:26: services.web.scale.cpu: is a percentage of what the process requests, and it requests no cpu"},
		{process + "    scale: {max: 3, cpu: much}\n", `f.yaml:4:26: services.web.scale.cpu: want an amount such as 0.5, 500m or 300Mi, or a percentage such as 80%, got "much"`},
		{process + "    scale: {min: 4, max: 3, cpu: 1}\n", "f.yaml:4:18: services.web.scale.min: want 0 to max, which is 3, got 4"},
		{process + "    scale: {max: 3, metrics: [{query: q}]}\n", "f.yaml:4:31: services.web.scale.metrics[0]: want one of value, perReplica and each"},
		{strings.Replace(process, "web]", "web], budget: {minAvailable: 1, maxUnavailable: 1}", 1), "services.web.process.budget.maxUnavailable: does not go with minAvailable"},

		{webAutoscaler, `f.yaml:6:65: spec.scaleTargetRef.name: no Deployment named "web" is loaded`},
		{strings.ReplaceAll(webDeployment, "{name: web}", "{name: wep}") + webAutoscaler, "did you mean wep?"},
		{webDeployment + webAutoscaler + webAutoscaler, "f.yaml:26:65: spec.scaleTargetRef.name: the Deployment is scaled already, by what stands at f.yaml:14; keep one of them"},
		{strings.Replace(webDeployment, "command: [/bin/web], ", "image: web, ", 1) + webAutoscaler, "warning: spec.scaleTargetRef.name: ignored: the Deployment cannot run here"},
		{strings.Replace(webDeployment, "requests: {cpu: 500m}, ", "", 1) + webAutoscaler, "f.yaml:14:1: want cpu, memory or metrics: nothing says when there are to be more replicas"},
		{webDeployment + strings.Replace(webAutoscaler, "{name: web}", "{name: web, namespace: shop}", 1), `no Deployment named "web" is loaded in the namespace shop; write namespace: default in the metadata`},
		{strings.Replace(webDeployment, "{name: web}", "{name: web, namespace: shop}", 1) + webBudget, "warning: spec.selector: picks none of the Deployments that are loaded"},
		{webDeployment + webAutoscaler + "  metrics: [{type: ContainerResource, containerResource: {name: cpu, container: apq, target: {type: Utilization, averageUtilization: 50}}}]\n", `spec.metrics[0].containerResource.container: the Deployment has no container named "apq"; write app`},
		{webDeployment + webBudget + webBudget, "metadata.name: the Deployment web has a budget already, at f.yaml:"},
		{webDeployment + strings.Replace(webBudget, "app: web", "app: wep", 1), "warning: spec.selector: picks none of the Deployments that are loaded"},
		{strings.Replace(webAutoscaler, "autoscaling/v2", "autoscaling/v1", 1), "apiVersion: a HorizontalPodAutoscaler of this version is not read; write autoscaling/v2"},
	} {
		if _, got := scaled(t, test.text); !strings.Contains(got, test.want) {
			t.Errorf("%s\ngot  %s\nwant %s", test.text, got, test.want)
		}
	}
}
