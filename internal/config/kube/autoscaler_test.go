package kube

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const hpaHead = `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
`

func TestAutoscalerIsRead(t *testing.T) {
	doc := document(t, "f.yaml", hpaHead+`  minReplicas: 2
  maxReplicas: 10
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}
  - {type: ContainerResource, containerResource: {name: memory, container: app, target: {type: AverageValue, averageValue: 300Mi}}}
  - {type: Pods, pods: {metric: {name: in_flight}, target: {type: AverageValue, averageValue: "10"}}}
  - type: Object
    object:
      metric: {name: requests_per_second, selector: {matchLabels: {route: shop}}}
      describedObject: {apiVersion: v1, kind: Service, name: web}
      target: {type: Value, value: 2k}
  - type: External
    external:
      metric:
        name: jobs_waiting
        selector:
          matchLabels: {queue: 'a"b'}
          matchExpressions: [{key: zone, operator: In, values: [x.1, y]}, {key: old, operator: DoesNotExist}, {key: new, operator: Exists}, {key: kind, operator: NotIn, values: [z]}]
      target: {type: AverageValue, averageValue: 30}
  behavior:
    scaleUp:
      stabilizationWindowSeconds: 0
      selectPolicy: Min
      policies: [{type: Pods, value: 4, periodSeconds: 60}, {type: Percent, value: 50, periodSeconds: 30}]
    scaleDown: {selectPolicy: Disabled, tolerance: 50m}
status: {currentReplicas: 2}
`)
	got, problems := ReadAutoscaler(doc)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	none, tolerance := time.Duration(0), 0.05
	want := HorizontalPodAutoscaler{
		Name: "web", Namespace: "default", Target: "web", Min: 2, Max: 10,
		Metrics: []ScalingMetric{
			{Resource: "cpu", Name: "cpu", Utilization: 60},
			{Resource: "memory", Name: "memory", Container: "app", AverageValue: 300 << 20},
			{Name: "in_flight", Query: "in_flight{}", EachReplica: true, AverageValue: 10},
			{Name: "requests_per_second", Query: `requests_per_second{route="shop",service="web"}`, Value: 2000},
			{Name: "jobs_waiting", Query: `jobs_waiting{kind!~"z",new!="",old="",queue="a\"b",zone=~"x\\.1|y"}`, AverageValue: 30},
		},
		Up:   &ScalingRules{Window: &none, Select: "Min", Policies: []ScalingPolicy{{Value: 4, Period: time.Minute}, {Percent: true, Value: 50, Period: 30 * time.Second}}},
		Down: &ScalingRules{Select: "Disabled", Tolerance: &tolerance},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(ScalingMetric{}, "At")); diff != "" {
		t.Error(diff)
	}
}

func TestAutoscalerIsRefusedByName(t *testing.T) {
	metric := func(text string) string { return "  maxReplicas: 3\n  metrics:\n  - " + text + "\n" }
	for _, test := range []struct{ text, want string }{
		{"  maxReplicas: 0\n", "f.yaml:6:16: spec.maxReplicas: want 1 or more, got 0"},
		{"  minReplicas: 4\n  maxReplicas: 3\n", "f.yaml:7:16: spec.maxReplicas: must be at least minReplicas, which is 4, got 3"},
		{"  minReplicas: 0\n  maxReplicas: 3\n", "f.yaml:6:16: spec.minReplicas: not supported yet: with 0 replicas nobody would answer the first request; write 1"},
		{"  maxReplicas: 3\n  targetCPUUtilizationPercentage: 50\n", "spec.targetCPUUtilizationPercentage: unknown field"},
		{metric("{type: Resource}"), "f.yaml:8:5: spec.metrics[0]: type Resource wants resource; add resource"},
		{metric("{type: Resource, resource: {name: disk, target: {type: Utilization, averageUtilization: 1}}}"), "spec.metrics[0].resource.name: want cpu or memory"},
		{metric("{type: Resource, resource: {name: cpu, target: {type: Value, value: 1}}}"), "spec.metrics[0].resource.target.type: does not go with this kind of metric: Value; write Utilization or AverageValue"},
		{metric("{type: Resource, resource: {name: cpu, target: {type: Utilization}}}"), "spec.metrics[0].resource.target: type Utilization wants averageUtilization; add averageUtilization"},
		{metric("{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 1, value: 3}}}"), "spec.metrics[0].resource.target.value: does not go with type Utilization; remove it"},
		{metric("{type: Resource, resource: {name: cpu, target: {type: AverageValue, averageValue: 0}}}"), "spec.metrics[0].resource.target.averageValue: must be more than 0"},
		{metric("{type: Pods, pods: {metric: {name: a-b}, target: {type: AverageValue, averageValue: 1}}}"), `spec.metrics[0].pods.metric.name: "a-b" is not the name of a metric of Prometheus`},
		{metric("{type: External, external: {metric: {name: a, selector: {matchLabels: {a/b: c}}}, target: {type: Value, value: 1}}}"), `is not the name of a label of Prometheus`},
		{metric("{type: Object, object: {describedObject: {kind: Ingress, name: x}, metric: {name: a}, target: {type: Value, value: 1}}}"), "spec.metrics[0].object.describedObject.kind: not supported yet: metrics here are those of a Service, not of a Ingress"},
		{"  maxReplicas: 3\n  behavior: {scaleUp: {policies: []}}\n", "spec.behavior.scaleUp.policies: want a policy; remove it for the default"},
		{"  maxReplicas: 3\n  behavior: {scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 3000}]}}\n", "spec.behavior.scaleUp.policies[0].periodSeconds: want 1800 or less, got 3000"},
		{"  maxReplicas: 3\n  behavior: {scaleDown: {stabilizationWindowSeconds: 4000}}\n", "spec.behavior.scaleDown.stabilizationWindowSeconds: want 3600 or less, got 4000"},
		{"  maxReplicas: 3\n  behavior: {scaleDown: {tolerance: 2}}\n", "spec.behavior.scaleDown.tolerance: want a share below 1, got 2"},
	} {
		_, problems := ReadAutoscaler(document(t, "f.yaml", hpaHead+test.text))
		if got := problems.Error(); !strings.Contains(got, test.want) {
			t.Errorf("%s\ngot  %s\nwant %s", test.text, got, test.want)
		}
	}
	other := strings.Replace(hpaHead, "kind: Deployment", "kind: StatefulSet", 1)
	if _, problems := ReadAutoscaler(document(t, "f.yaml", other+"  maxReplicas: 3\n")); !strings.Contains(problems.Error(), "f.yaml:5:47: spec.scaleTargetRef.kind: only a Deployment runs here, not a StatefulSet; write Deployment") {
		t.Errorf("got %v", problems)
	}
}

func TestBudgetIsRead(t *testing.T) {
	const head = "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\nspec:\n"
	got, problems := ReadBudget(document(t, "f.yaml", head+"  maxUnavailable: 25%\n  unhealthyPodEvictionPolicy: AlwaysAllow\n  selector: {matchLabels: {app: web}, matchExpressions: [{key: tier, operator: NotIn, values: [test]}]}\n"))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if got.MaxUnavailable == nil || got.MaxUnavailable.String() != "25%" || got.MinAvailable != nil || !got.AlwaysEvictUnready {
		t.Errorf("got %+v", got)
	}
	for labels, want := range map[string]bool{"web": true, "shop": false} {
		if got.Picks(map[string]string{"app": labels}) != want {
			t.Errorf("picks %s: %v", labels, !want)
		}
	}
	if got.Picks(map[string]string{"app": "web", "tier": "test"}) {
		t.Error("picks what an expression excludes")
	}
	for text, want := range map[string]string{
		"  selector: {}\n": "f.yaml:4:1: spec: wants minAvailable or maxUnavailable; add minAvailable: 1",
		"  minAvailable: 1\n  maxUnavailable: 1\n  selector: {}\n":                                       "f.yaml:6:19: spec.maxUnavailable: does not go with minAvailable; keep one of them",
		"  minAvailable: 101%\n  selector: {}\n":                                                         "spec.minAvailable: want at most 100%, got 101%",
		"  minAvailable: 1\n":                                                                            "spec.selector: is required",
		"  minAvailable: 1\n  selector: {}\n  unhealthyPodEvictionPolicy: Never\n":                       "spec.unhealthyPodEvictionPolicy: want IfHealthyBudget or AlwaysAllow",
		"  minAvailable: 1\n  selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}\n": "spec.selector.matchExpressions[0].values: In and NotIn want values",
		"  minAvailable: 1\n  selector: {}\n  maxDisruptions: 3\n":                                       "spec.maxDisruptions: unknown field",
	} {
		if _, problems := ReadBudget(document(t, "f.yaml", head+text)); !strings.Contains(problems.Error(), want) {
			t.Errorf("%s\ngot  %s\nwant %s", text, problems.Error(), want)
		}
	}
}
