package kube_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/config"
	"github.com/afloat-dev/afloat/internal/config/kube"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// everything says each supported field of a Deployment, and none as its default is.
const everything = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {a: b}, annotations: {c: d}}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}, matchExpressions: [{key: app, operator: In, values: [web]}]}
  minReadySeconds: 5
  progressDeadlineSeconds: 120
  strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 2, maxSurge: 50%}}
  template:
    metadata: {labels: {app: web}, annotations: {e: f}}
    spec:
      restartPolicy: Always
      terminationGracePeriodSeconds: 60
      securityContext: {runAsUser: 1001, runAsGroup: 1002, runAsNonRoot: true}
      containers:
      - name: app
        image: shop/web
        command: [/bin/web]
        args: [--serve]
        workingDir: /srv
        env: [{name: MODE, value: production}]
        ports: [{name: http, containerPort: 8080}, {name: other, containerPort: 9090}]
        resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {cpu: 2, memory: 2Gi}}
        startupProbe: {exec: {command: [/bin/started]}, periodSeconds: 2}
        readinessProbe:
          httpGet: {path: /ready, port: http, host: 127.0.0.1, scheme: HTTP, httpHeaders: [{name: X-Probe, value: ready}]}
          initialDelaySeconds: 1
          periodSeconds: 3
          timeoutSeconds: 4
          successThreshold: 2
          failureThreshold: 6
        livenessProbe: {grpc: {port: 9090, service: web}, terminationGracePeriodSeconds: 7}
        lifecycle: {preStop: {sleep: {seconds: 8}}}
        securityContext: {allowPrivilegeEscalation: true, capabilities: {drop: [ALL]}}
`

// change is another value of a field in everything, or in it with than in the
// place of what stands there.
type change struct{ from, to, than string }

var fields = map[string]change{
	"Data.name": {"{name: web, namespace", "{name: wep, namespace", ""},

	"deploymentSpec.replicas":                {"replicas: 4", "replicas: 5", ""},
	"deploymentSpec.minReadySeconds":         {"minReadySeconds: 5", "minReadySeconds: 6", ""},
	"deploymentSpec.progressDeadlineSeconds": {"DeadlineSeconds: 120", "DeadlineSeconds: 121", ""},
	"strategy.type":                          {"{type: RollingUpdate, rollingUpdate: {maxUnavailable: 2, maxSurge: 50%}}", "{type: Recreate}", "{type: RollingUpdate}"},
	"strategy.rollingUpdate":                 {", rollingUpdate: {maxUnavailable: 2, maxSurge: 50%}", "", ""},
	"rollingUpdate.maxUnavailable":           {"maxUnavailable: 2", "maxUnavailable: 3", ""},
	"rollingUpdate.maxSurge":                 {"maxSurge: 50%", "maxSurge: 2", ""},

	"podSpec.terminationGracePeriodSeconds": {"PeriodSeconds: 60", "PeriodSeconds: 0", ""},
	"podSecurity.runAsUser":                 {"runAsUser: 1001", "runAsUser: 1003", ""},
	"podSecurity.runAsGroup":                {"runAsGroup: 1002", "runAsGroup: 1003", ""},
	"Security.runAsUser":                    {"{allowPriv", "{runAsUser: 1003, allowPriv", ""},
	"Security.runAsGroup":                   {"{allowPriv", "{runAsGroup: 1003, allowPriv", ""},
	"Security.allowPrivilegeEscalation":     {"Escalation: true", "Escalation: false", ""},

	"Container.command":       {"command: [/bin/web]", "command: [/bin/wep]", ""},
	"Container.args":          {"args: [--serve]", "args: [--serve, --fast]", ""},
	"Container.workingDir":    {"workingDir: /srv", "workingDir: /opt", ""},
	"EnvVar.name":             {"{name: MODE", "{name: MOOD", ""},
	"EnvVar.value":            {"value: production", "value: test", ""},
	"Port.name":               {"{name: http, containerPort: 8080}, {name: other,", "{name: other, containerPort: 8080}, {name: http,", ""},
	"Port.containerPort":      {"containerPort: 8080", "containerPort: 8081", ""},
	"Resources.requests":      {"cpu: 500m", "cpu: 501m", ""},
	"Resources.limits":        {"limits: {cpu: 2", "limits: {cpu: 3", ""},
	"Lifecycle.preStop":       {"preStop: {sleep: {seconds: 8}}", "", ""},
	"PreStop.sleep":           {"preStop: {sleep: {seconds: 8}}", "", ""},
	"PreStop.exec":            {"preStop: {sleep: {seconds: 8}}", "preStop: {exec: {command: [/bin/stop]}}", " "},
	"PreStop.httpGet":         {"preStop: {sleep: {seconds: 8}}", "preStop: {httpGet: {port: http}}", " "},
	"Sleep.seconds":           {"seconds: 8", "seconds: 9", ""},
	"Container.startupProbe":  {"        startupProbe: {exec: {command: [/bin/started]}, periodSeconds: 2}\n", "", ""},
	"Container.livenessProbe": {"livenessProbe: {grpc: {port: 9090, service: web}", "livenessProbe: {tcpSocket: {port: 8080}", ""},

	"Probe.exec":                          {"[/bin/started]", "[/bin/begun]", ""},
	"Exec.command":                        {"[/bin/started]", "[/bin/started, now]", ""},
	"Probe.tcpSocket":                     {"exec: {command: [/bin/started]}", "tcpSocket: {port: 9090}", ""},
	"TCPSocket.port":                      {"exec: {command: [/bin/started]}", "tcpSocket: {port: http}", "tcpSocket: {port: other}"},
	"Probe.grpc":                          {"exec: {command: [/bin/started]}", "grpc: {port: 9090}", ""},
	"GRPC.port":                           {"grpc: {port: 9090", "grpc: {port: 8080", ""},
	"GRPC.service":                        {"service: web", "service: shop", ""},
	"Probe.httpGet":                       {"exec: {command: [/bin/started]}", "httpGet: {port: http}", ""},
	"HTTPGet.path":                        {"path: /ready", "path: /up", ""},
	"HTTPGet.port":                        {"port: http,", "port: other,", ""},
	"HTTPGet.scheme":                      {"scheme: HTTP,", "scheme: HTTPS,", ""},
	"HTTPGet.httpHeaders":                 {", httpHeaders: [{name: X-Probe, value: ready}]", "", ""},
	"Header.name":                         {"name: X-Probe", "name: X-Ask", ""},
	"Header.value":                        {"value: ready", "value: up", ""},
	"Container.readinessProbe":            {"initialDelaySeconds: 1\n", "initialDelaySeconds: 2\n", ""},
	"Probe.initialDelaySeconds":           {"initialDelaySeconds: 1\n", "initialDelaySeconds: 0\n", ""},
	"Probe.periodSeconds":                 {"periodSeconds: 3", "periodSeconds: 5", ""},
	"Probe.timeoutSeconds":                {"timeoutSeconds: 4", "timeoutSeconds: 5", ""},
	"Probe.successThreshold":              {"successThreshold: 2", "successThreshold: 3", ""},
	"Probe.failureThreshold":              {"failureThreshold: 6", "failureThreshold: 7", ""},
	"Probe.terminationGracePeriodSeconds": {"terminationGracePeriodSeconds: 7", "terminationGracePeriodSeconds: 8", ""},
}

// elsewhere are the fields that are honoured without a process that is another.
var elsewhere = map[string]string{
	"Object.apiVersion": "what is read", "Object.kind": "what is read",
	"Data.namespace": "where autoscalers and budgets find it", "podMetadata.labels": "by what budgets and subsets find it",
	"Data.labels": "carried along", "Data.annotations": "carried along", "podMetadata.annotations": "carried along",
	"labelSelector.matchLabels": "checked", "labelSelector.matchExpressions": "checked",
	"requirement.key": "checked", "requirement.operator": "checked", "requirement.values": "checked",
	"podSpec.restartPolicy": "checked", "podSecurity.runAsNonRoot": "checked", "Security.runAsNonRoot": "checked",
	"Security.capabilities": "refused or warned about", "capabilities.add": "refused", "capabilities.drop": "warned about",
	"Container.name": "named by autoscalers", "Container.image": "not pulled",
	"HTTPGet.host": "checked: the replica is asked", "TCPSocket.host": "checked: the replica is asked",
}

// process is the one that runs for a Deployment.
func process(t *testing.T, text string) supervise.Config {
	t.Helper()
	a, problems := config.Assemble([]config.Source{{Name: "f.yaml", Data: []byte(text)}}, config.Options{})
	if a == nil || len(a.Processes) != 1 {
		t.Fatalf("%v\n%s", problems, text)
	}
	return a.Processes[0].WithDefaults()
}

func TestEveryHonouredFieldOfADeploymentChangesWhatRuns(t *testing.T) {
	whole := process(t, everything)
	for name, c := range fields {
		if strings.Count(everything, c.from) != 1 {
			t.Fatalf("%s: %q does not stand once", name, c.from)
		}
		than := whole
		if c.than != "" {
			than = process(t, strings.Replace(everything, c.from, c.than, 1))
		}
		if cmp.Equal(than, process(t, strings.Replace(everything, c.from, c.to, 1))) {
			t.Errorf("%s: %q instead of %q changes nothing", name, c.to, c.from)
		}
	}
	known := map[string]bool{}
	walk(kube.DeploymentFile, known)
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if _, tried := fields[name]; !tried && elsewhere[name] == "" {
			t.Errorf("%s is read, and nothing here shows what it does", name)
		}
	}
}

// walk collects the fields of a struct of YAML, and of those in it. A field that
// only holds others is none.
func walk(typ reflect.Type, known map[string]bool) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		inner, holds := f.Type, f.Type.Kind() != reflect.Pointer
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			walk(inner, known)
		}
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name != "" && !(holds && inner.Kind() == reflect.Struct) {
			known[typ.Name()+"."+name] = true
		}
	}
}
