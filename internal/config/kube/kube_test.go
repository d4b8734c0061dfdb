package kube

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

var update = flag.Bool("update", false, "write the golden files")

func document(t *testing.T, name, text string) *yamltree.Document {
	t.Helper()
	docs, err := yamltree.Parse(name, []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(docs) != 1 {
		t.Fatalf("%d documents", len(docs))
	}
	return docs[0]
}

func readFile(t *testing.T, name string) *yamltree.Document {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return document(t, name, string(text))
}

func TestTheArticlesDeploymentIsReadUnchanged(t *testing.T) {
	doc := readFile(t, "article.yaml")
	if !Reads(doc) {
		t.Fatal("Reads is false")
	}
	got, problems := ReadDeployment(doc)
	probe := func(delay, period int32) *Probe {
		return &Probe{HTTPGet: &HTTPGet{Path: "/health", Port: PortRef{Number: 8080}, Scheme: "HTTP"},
			InitialDelaySeconds: delay, PeriodSeconds: period, TimeoutSeconds: 1, SuccessThreshold: 1, FailureThreshold: 3}
	}
	want := Deployment{
		Name: "web-app", Namespace: "default", Replicas: 3, Strategy: RollingUpdate{IntOrPercent{Count: 1}, IntOrPercent{Count: 1}},
		ProgressDeadline: 10 * time.Minute, Labels: map[string]string{"app": "web-app"}, Grace: 30 * time.Second,
		Containers: []Container{{
			Name: "web", Image: "nginx:1.20",
			Resources: Resources{
				Requests: map[string]Quantity{"cpu": {"100m", 0.1}, "memory": {"128Mi", 128 << 20}},
				Limits:   map[string]Quantity{"cpu": {"500m", 0.5}, "memory": {"512Mi", 512 << 20}},
			},
			Readiness: probe(10, 5), Liveness: probe(30, 10),
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	wantProblems := `article.yaml:22:9: warning: spec.template.spec.containers[0]: has image nginx:1.20 and no command. Afloat runs local commands, it pulls no images: nothing would run; add spec.template.spec.containers[0].command`
	if diff := cmp.Diff(wantProblems, problems.Error()); diff != "" {
		t.Error(diff)
	}
	if problems.Err() != nil {
		t.Error("the article's Deployment does not pass")
	}
	if _, err := got.Runnable(); err == nil {
		t.Error("a container without a command is runnable")
	}
}

func TestTheArticlesDeploymentRunsWithACommand(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "article.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	const image = "        image: nginx:1.20\n"
	doc := document(t, "f.yaml", strings.Replace(string(text), image, image+"        command: [./web, --port, $(PORT)]\n", 1))
	got, problems := ReadDeployment(doc)
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	container, err := got.Runnable()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"./web", "--port", "$(PORT)"}, container.Argv()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{8080}, container.DeclaredPorts()); diff != "" {
		t.Error(diff)
	}
}

func TestDefaultsAreThoseOfKubernetes(t *testing.T) {
	doc := document(t, "f.yaml", `
apiVersion: apps/v1
kind: Deployment
metadata: {name: a}
spec:
  replicas: ~
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a}}
    spec: {containers: [{name: a, command: [a], livenessProbe: {tcpSocket: {port: 80}}, readinessProbe: {httpGet: {port: web}}, ports: [{name: web, containerPort: 81}]}]}
`)
	got, problems := ReadDeployment(doc)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := Deployment{
		Name: "a", Namespace: "default", Replicas: 1, Strategy: RollingUpdate{IntOrPercent{25, true}, IntOrPercent{25, true}}, ProgressDeadline: 600 * time.Second,
		Labels: map[string]string{"app": "a"}, Grace: 30 * time.Second,
		Containers: []Container{{Name: "a", Command: []string{"a"}, Ports: []Port{{"web", 81}},
			Liveness:  &Probe{TCPSocket: &TCPSocket{Port: PortRef{Number: 80}}, PeriodSeconds: 10, TimeoutSeconds: 1, SuccessThreshold: 1, FailureThreshold: 3},
			Readiness: &Probe{HTTPGet: &HTTPGet{Path: "/", Port: PortRef{Name: "web"}, Scheme: "HTTP"}, PeriodSeconds: 10, TimeoutSeconds: 1, SuccessThreshold: 1, FailureThreshold: 3},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{81, 80}, got.Containers[0].DeclaredPorts()); diff != "" {
		t.Error(diff)
	}
}

func TestExplain(t *testing.T) {
	for _, name := range []string{"article", "full", "two"} {
		t.Run(name, func(t *testing.T) {
			d, _ := ReadDeployment(readFile(t, name+".yaml"))
			got := strings.Join(d.Explain(), "\n") + "\n"
			golden := filepath.Join("testdata", name+".explained")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDeploymentWithEverythingIsClean(t *testing.T) {
	_, problems := ReadDeployment(readFile(t, "full.yaml"))
	if problems.Err() != nil {
		t.Error(problems)
	}
	for _, p := range problems {
		if !strings.Contains(p.Message, "ignored") && !strings.Contains(p.Message, "not enforced") {
			t.Error(p)
		}
	}
}

func TestQuantities(t *testing.T) {
	for text, want := range map[string]float64{
		"100m": 0.1, "0.5": 0.5, ".5": 0.5, "2": 2, "1e3": 1000, "1E3": 1000, "2.5Gi": 2.5 * (1 << 30), "128Mi": 128 << 20, "5k": 5000,
		"1E": 1e18, "3Ei": 3 * (1 << 60), "100n": 1e-7, "7u": 7e-6, "+1": 1,
	} {
		var q Quantity
		if err := q.UnmarshalText([]byte(text)); err != nil || q.Value != want || q.String() != text {
			t.Errorf("%s: got %v, %v, want %v", text, q.Value, err, want)
		}
	}
	for _, text := range []string{"", "-1", "128mb", "1 Gi", "0x10", "Mi", "1e999", "NaN", "1.5.2", "1K"} {
		var q Quantity
		if err := q.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is accepted as %v", text, q.Value)
		}
	}
}

func TestPercentagesRoundAsInKubernetes(t *testing.T) {
	for _, tt := range []struct {
		p              IntOrPercent
		replicas, want int
		up             bool
	}{
		{IntOrPercent{25, true}, 3, 0, false}, {IntOrPercent{25, true}, 3, 1, true}, {IntOrPercent{25, true}, 4, 1, true},
		{IntOrPercent{100, true}, 7, 7, false}, {IntOrPercent{2, false}, 7, 2, true}, {IntOrPercent{0, true}, 7, 0, true},
	} {
		if got := tt.p.Of(tt.replicas, tt.up); got != tt.want {
			t.Errorf("%s of %d, up %t: got %d, want %d", tt.p, tt.replicas, tt.up, got, tt.want)
		}
	}
}

// The field names of kubernetes/api, apps/v1 and core/v1, as JSON spells them.
func TestEveryFieldOfTheAPIIsKnown(t *testing.T) {
	for _, tt := range []struct {
		into   any
		fields string
	}{
		{&deploymentFile{}, "apiVersion kind metadata spec status"},
		{&deploymentSpec{}, "replicas selector template strategy minReadySeconds revisionHistoryLimit paused progressDeadlineSeconds"},
		{&strategy{}, "type rollingUpdate"},
		{&rollingUpdate{}, "maxUnavailable maxSurge"},
		{&labelSelector{}, "matchLabels matchExpressions"},
		{&requirement{}, "key operator values"},
		{&podTemplate{}, "metadata spec"},
		{&podSpec{}, "volumes initContainers containers ephemeralContainers restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName serviceAccount automountServiceAccountToken nodeName hostNetwork hostPID hostIPC shareProcessNamespace securityContext imagePullSecrets hostname subdomain affinity schedulerName tolerations hostAliases priorityClassName priority dnsConfig readinessGates runtimeClassName enableServiceLinks preemptionPolicy overhead topologySpreadConstraints setHostnameAsFQDN os hostUsers schedulingGates resourceClaims resources hostnameOverride workloadRef schedulingGroup evictionResponders"},
		{&Container{}, "name image command args workingDir ports envFrom env resources resizePolicy restartPolicy restartPolicyRules volumeMounts volumeDevices livenessProbe readinessProbe startupProbe lifecycle terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty"},
		{&Probe{}, "exec httpGet tcpSocket grpc initialDelaySeconds timeoutSeconds periodSeconds successThreshold failureThreshold terminationGracePeriodSeconds"},
		{&HTTPGet{}, "path port host scheme httpHeaders protocol"},
		{&Header{}, "name value"},
		{&TCPSocket{}, "port host"},
		{&Exec{}, "command"},
		{&EnvVar{}, "name value valueFrom"},
		{&Port{}, "name hostPort containerPort protocol hostIP"},
		{&Lifecycle{}, "postStart preStop stopSignal"},
		{&PreStop{}, "exec httpGet tcpSocket sleep"},
		{&Resources{}, "limits requests claims"},
		{&autoscalerFile{}, "apiVersion kind metadata spec status"},
		{&autoscalerSpec{}, "scaleTargetRef minReplicas maxReplicas metrics behavior"},
		{&objectReference{}, "kind name apiVersion"},
		{&scalingBehaviour{}, "scaleUp scaleDown"},
		{&scalingRules{}, "stabilizationWindowSeconds selectPolicy policies tolerance"},
		{&scalingPolicy{}, "type value periodSeconds"},
		{&metricSpec{}, "type object pods resource containerResource external"},
		{&resourceSource{}, "name target"},
		{&containerResource{}, "name target container"},
		{&metricSource{}, "metric target"},
		{&objectSource{}, "describedObject target metric"},
		{&metricIdentifier{}, "name selector"},
		{&metricTarget{}, "type value averageValue averageUtilization"},
		{&budgetFile{}, "apiVersion kind metadata spec status"},
		{&budgetSpec{}, "minAvailable selector maxUnavailable unhealthyPodEvictionPolicy"},
		{&GRPC{}, "port service"},
		{&Sleep{}, "seconds"},
		{&Security{}, "capabilities privileged seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot readOnlyRootFilesystem allowPrivilegeEscalation procMount seccompProfile appArmorProfile"},
		{&podSecurity{}, "seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot supplementalGroups supplementalGroupsPolicy fsGroup sysctls fsGroupChangePolicy seccompProfile appArmorProfile seLinuxChangePolicy"},
		{&capabilities{}, "add drop"},
	} {
		for _, name := range append(strings.Fields(tt.fields), "noSuchField") {
			problems := document(t, "f.yaml", name+": ~").Decode(tt.into, yamltree.Options{})
			if got := strings.Contains(problems.Error(), "unknown field"); got != (name == "noSuchField") {
				t.Errorf("%T: %s: unknown is %t", tt.into, name, got)
			}
		}
	}
}
