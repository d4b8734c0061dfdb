package kube

import (
	"strings"
	"testing"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// deployment is a good Deployment whose spec begins with spec, on line 5, and
// whose container ends with container, on line 13 and on.
func deployment(spec, container string) string {
	if spec == "" {
		spec = "replicas: 1"
	}
	return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  " + spec + `
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a}}
    spec:
      containers:
      - name: a
        command: [a]
        ` + container
}

// swap is a good Deployment with a part replaced.
func swap(old, with string) string {
	return strings.Replace(deployment("", "image: a"), old, with, 1)
}

func TestBadDocumentsAreRefusedInOneLine(t *testing.T) {
	const container = "spec.template.spec.containers[0]"
	tests := []struct{ yaml, want string }{
		// Typing mistakes.
		{deployment("replcias: 3", ""), "f.yaml:5:3: spec.replcias: unknown field; did you mean replicas?"},
		{deployment("strategy: {rolingUpdate: {}}", ""), "f.yaml:5:14: spec.strategy.rolingUpdate: unknown field; did you mean rollingUpdate?"},
		{deployment("", "rediness: {}"), "f.yaml:13:9: " + container + ".rediness: unknown field; known here: args, command, env, envFrom, image, imagePullPolicy, lifecycle, livenessProbe, name, ports, readinessProbe, resizePolicy, …"},
		{deployment("", "readinesProbe: {tcpSocket: {port: 1}}"), "f.yaml:13:9: " + container + ".readinesProbe: unknown field; did you mean readinessProbe?"},
		{deployment("", "livenessProbe: {httpget: {port: 1}}"), "f.yaml:13:25: " + container + ".livenessProbe.httpget: unknown field; did you mean httpGet?"},
		{deployment("", "livenessProbe: {tcpSocket: {port: 1}, periodSecond: 5}"), "f.yaml:13:47: " + container + ".livenessProbe.periodSecond: unknown field; did you mean periodSeconds?"},
		{deployment("", "cmd: [b]"), "f.yaml:13:9: " + container + ".cmd: unknown field; known here: args, command, env, envFrom, image, imagePullPolicy, lifecycle, livenessProbe, name, ports, readinessProbe, resizePolicy, …"},
		{deployment("", "resources: {limit: {cpu: 1}}"), "f.yaml:13:21: " + container + ".resources.limit: unknown field; did you mean limits?"},
		{deployment("", "resources: {limits: {memroy: 1Gi}}"), "f.yaml:13:38: " + container + ".resources.limits.memroy: is not a resource; did you mean memory?"},
		{swap("  template:", "  templat:"), "f.yaml:4:1: spec.template: is required\nf.yaml:7:3: spec.templat: unknown field; did you mean template?"},

		// Wrong types and values.
		{deployment("replicas: three", ""), `f.yaml:5:13: spec.replicas: want a whole number, got the string "three"`},
		{deployment("replicas: -1", ""), "f.yaml:5:13: spec.replicas: want 0 or more, got -1"},
		{deployment("replicas: 5000", ""), "f.yaml:5:13: spec.replicas: want 1000 or less, got 5000"},
		{deployment("replicas: 1.5", ""), "f.yaml:5:13: spec.replicas: want a whole number, got 1.5"},
		{deployment(`replicas: "3"`, ""), `f.yaml:5:13: spec.replicas: want a whole number, got the string "3"; write 3 without quotes`},
		{deployment("replicas: 3\n  replicas: 4", ""), "f.yaml:6:3: spec.replicas: the key stands twice, first on line 5; keep one of them"},
		{deployment("replicas: 0", ""), "f.yaml:5:13: warning: spec.replicas: with 0 replicas nothing runs"},
		{deployment("minReadySeconds: 5s", ""), `f.yaml:5:20: spec.minReadySeconds: want a whole number, got the string "5s"`},
		{deployment("minReadySeconds: 700", ""), "f.yaml:4:1: spec.progressDeadlineSeconds: must be more than minReadySeconds, which is 700, got 600"},
		{deployment("progressDeadlineSeconds: 0", ""), "f.yaml:5:28: spec.progressDeadlineSeconds: want 1 or more, got 0"},
		{deployment("strategy: RollingUpdate", ""), `f.yaml:5:13: spec.strategy: want a map, got the string "RollingUpdate"`},
		{deployment("strategy: {type: Rolling}", ""), `f.yaml:5:20: spec.strategy.type: want RollingUpdate or Recreate, got the string "Rolling"`},
		{deployment("strategy: {rollingUpdate: {maxSurge: 25}}", ""), ""},
		{deployment("strategy: {rollingUpdate: {maxSurge: '25'}}", ""), `f.yaml:5:40: spec.strategy.rollingUpdate.maxSurge: want a number or a percentage such as 25%, got the string "25"; write 25 without quotes`},
		{deployment("strategy: {rollingUpdate: {maxSurge: -1}}", ""), "f.yaml:5:40: spec.strategy.rollingUpdate.maxSurge: want 0 or more, got -1"},
		{deployment("strategy: {rollingUpdate: {maxSurge: x%}}", ""), `f.yaml:5:40: spec.strategy.rollingUpdate.maxSurge: want a number or a percentage such as 25%, got the string "x%"`},
		{deployment("strategy: {rollingUpdate: {maxUnavailable: 101%}}", ""), "f.yaml:5:46: spec.strategy.rollingUpdate.maxUnavailable: want at most 100%, got 101%"},
		{deployment("strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 0%}}", ""), "f.yaml:5:29: spec.strategy.rollingUpdate: maxUnavailable and maxSurge are both 0, so no replica could be replaced; make one of them 1"},
		{swap("name: a}", "name: A_}"), `f.yaml:3:18: metadata.name: "A_" is not a valid name; write lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit`},
		{swap("{name: a}", "{}"), "f.yaml:3:1: metadata.name: is required"},
		{swap("apps/v1", "apps/v1beta1"), "f.yaml:1:13: apiVersion: this version is not known: apps/v1beta1; write apps/v1"},
		{swap("Deployment", "StatefulSet"), "f.yaml:2:7: kind: want Deployment, got StatefulSet"},
		{swap("matchLabels: {app: a}", "matchLabels: {app: b}"), `f.yaml:6:33: spec.selector.matchLabels.app: does not match template.metadata.labels, where it is "a"; write the same in both`},
		{swap("matchLabels: {app: a}", "matchLabels: {tier: a}"), "f.yaml:6:34: spec.selector.matchLabels.tier: template.metadata.labels has no tier; add tier: a there"},
		{swap("{matchLabels: {app: a}}", "{}"), "f.yaml:6:13: spec.selector: is empty; write matchLabels as in template.metadata.labels"},
		{swap("matchLabels: {app: a}", "matchExpressions: [{key: app, operator: NotIn, values: [a]}]"), "f.yaml:6:33: spec.selector.matchExpressions[0]: app notin (a) does not match template.metadata.labels"},
		{swap("matchLabels: {app: a}", "matchExpressions: [{key: app, operator: Exists, values: [a]}]"), "f.yaml:6:70: spec.selector.matchExpressions[0].values: In and NotIn want values, Exists and DoesNotExist want none"},
		{swap("matchLabels: {app: a}", "matchExpressions: [{key: app, operator: Is}]"), `f.yaml:6:54: spec.selector.matchExpressions[0].operator: want In, NotIn, Exists or DoesNotExist, got the string "Is"; did you mean In?`},
		{swap("labels: {app: a}", "labels: {app: a, version: 1.2}"), `f.yaml:8:42: spec.template.metadata.labels.version: want a string, got 1.2; write "1.2" in quotes`},
		{swap("name: a\n", "name: A\n"), `f.yaml:11:15: ` + container + `.name: "A" is not a valid name; write at most 63 lower-case letters, digits and '-'`},
		{swap("command: [a]", "command: a"), `f.yaml:12:18: ` + container + `.command: want a list, got the string "a"; write [a]`},
		{swap("command: [a]", "command: ['']"), "f.yaml:12:19: " + container + ".command[0]: is empty; write the program"},
		{swap("command: [a]", "command: [a, 8080]"), `f.yaml:12:22: ` + container + `.command[1]: want a string, got 8080; write "8080" in quotes`},
		{swap("        command: [a]\n", ""), "f.yaml:11:9: warning: " + container + ": has image a and no command. Afloat runs local commands, it pulls no images: nothing would run; add " + container + ".command"},
		{deployment("", "env: [{name: A=B}]"), `f.yaml:13:22: ` + container + `.env[0].name: "A=B" is not the name of a variable`},
		{deployment("", "env: [{name: A, value: 8080}]"), `f.yaml:13:32: ` + container + `.env[0].value: want a string, got 8080; write "8080" in quotes`},
		{deployment("", "env: [{name: A, value: b}, {name: A, value: c}]"), `f.yaml:13:43: warning: ` + container + `.env[1].name: "A" stands twice: the later value counts; keep one of them`},
		{deployment("", "env: {A: b}"), "f.yaml:13:14: " + container + ".env: want a list, got a map"},
		{deployment("", "ports: [{containerPort: 0}]"), "f.yaml:13:33: " + container + ".ports[0].containerPort: want 1 or more, got 0"},
		{deployment("", "ports: [{containerPort: 80, name: web_port}]"), `f.yaml:13:43: ` + container + `.ports[0].name: "web_port" is not the name of a port; a name has at most 15 lower-case letters, digits and '-', and at least one letter`},
		{deployment("", "ports: [{containerPort: 80, name: w}, {containerPort: 81, name: w}]"), `f.yaml:13:73: ` + container + `.ports[1].name: "w" stands twice; give each port a name of its own`},
		{deployment("", "resources: {limits: {memory: 128mb}}"), "f.yaml:13:38: " + container + `.resources.limits.memory: want an amount such as 500m, 0.5 or 128Mi, got "128mb"`},
		{deployment("", "resources: {limits: {ephemeral-storage: 1Gi}}"), "f.yaml:13:49: warning: " + container + ".resources.limits.ephemeral-storage: not enforced: replicas are plain processes"},
		{deployment("", "resources: {requests: {cpu: 2}, limits: {cpu: 500m}}"), "f.yaml:13:37: " + container + ".resources.requests.cpu: requests 2, more than the limit of 500m"},

		// Probes.
		{deployment("", "livenessProbe: {}"), "f.yaml:13:24: " + container + ".livenessProbe: asks nothing; write one of httpGet, tcpSocket, exec and grpc"},
		{deployment("", "livenessProbe: {tcpSocket: {port: 1}, exec: {command: [a]}}"), "f.yaml:13:24: " + container + ".livenessProbe: want only one of httpGet, tcpSocket, exec and grpc; keep one of them"},
		{deployment("", "livenessProbe: {tcpSocket: {port: 70000}}"), "f.yaml:13:43: " + container + ".livenessProbe.tcpSocket.port: want a port from 1 to 65535, got 70000"},
		{deployment("", "livenessProbe: {tcpSocket: {port: '80'}}"), `f.yaml:13:43: ` + container + `.livenessProbe.tcpSocket.port: want a port's number or name, got the string "80"; a name has at most 15 lower-case letters, digits and '-', and at least one letter`},
		{deployment("", "livenessProbe: {tcpSocket: {port: wbe}}\n        ports: [{containerPort: 80, name: web}]"), "f.yaml:13:43: " + container + ".livenessProbe.tcpSocket.port: no port of the container is named wbe; did you mean web?"},
		{deployment("", "readinessProbe: {httpGet: {path: health, port: 80}}"), `f.yaml:13:42: ` + container + `.readinessProbe.httpGet.path: "health" does not begin with /; write /health`},
		{deployment("", "readinessProbe: {httpGet: {path: /a b, port: 80}}"), `f.yaml:13:42: ` + container + `.readinessProbe.httpGet.path: "/a b" has a blank or a control character; write it as %20 and the like`},
		{deployment("", "image: a b"), `f.yaml:13:16: ` + container + `.image: "a b" is not the name of an image; remove blanks`},
		{deployment("", "readinessProbe: {httpGet: {path: /health}}"), "f.yaml:13:26: " + container + ".readinessProbe.httpGet.port: is required"},
		{deployment("", "readinessProbe: {httpGet: {port: 80, host: example.com}}"), "f.yaml:13:52: " + container + ".readinessProbe.httpGet.host: not supported yet: only the replica itself is asked; remove it"},
		{deployment("", "readinessProbe: {httpGet: {port: 80, scheme: https}}"), `f.yaml:13:54: ` + container + `.readinessProbe.httpGet.scheme: want HTTP or HTTPS, got the string "https"; did you mean HTTPS?`},
		{deployment("", "livenessProbe: {tcpSocket: {port: 1}, successThreshold: 2}"), "f.yaml:13:65: " + container + ".livenessProbe.successThreshold: must be 1 except for readiness, got 2; remove it"},
		{deployment("", "readinessProbe: {tcpSocket: {port: 1}, terminationGracePeriodSeconds: 2}"), "f.yaml:13:79: " + container + ".readinessProbe.terminationGracePeriodSeconds: does not go with readiness, which stops nothing; remove it"},
		{deployment("", "livenessProbe: {tcpSocket: {port: 1}, periodSeconds: 5s}"), `f.yaml:13:62: ` + container + `.livenessProbe.periodSeconds: want a whole number, got the string "5s"`},
		{deployment("", "livenessProbe: {tcpSocket: {port: 1}, initialDelaySeconds: -1}"), "f.yaml:13:68: " + container + ".livenessProbe.initialDelaySeconds: want 0 or more, got -1"},
		{deployment("", "livenessProbe: {exec: {command: []}}"), "f.yaml:13:41: " + container + ".livenessProbe.exec.command: is empty; write the program and its arguments"},

		// Known fields that are not supported.
		{deployment("", "livenessProbe: {grpc: {service: a}}"), "f.yaml:13:25: " + container + ".livenessProbe.grpc.port: is required"},
		{deployment("", "env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]"), "f.yaml:13:25: " + container + ".env[0].valueFrom: not supported yet: there are no ConfigMaps, Secrets and pods to take it from; write value"},
		{deployment("", "envFrom: [{configMapRef: {name: c}}]"), "f.yaml:13:9: " + container + ".envFrom: not supported yet: there are no ConfigMaps and Secrets; remove it"},
		{deployment("", "volumeMounts: [{name: v, mountPath: /v}]"), "f.yaml:13:9: " + container + ".volumeMounts: not supported yet: nothing is mounted; remove it"},
		{deployment("", "ports: [{containerPort: 53, protocol: UDP}]"), "f.yaml:13:37: " + container + ".ports[0].protocol: not supported yet: only TCP ports are handed out; remove it"},
		{deployment("", "imagePullPolicy: Always"), "f.yaml:13:9: warning: " + container + ".imagePullPolicy: ignored: no image is pulled"},
		{deployment("", "securityContext: {runAsUser: -1}"), "f.yaml:13:38: " + container + ".securityContext.runAsUser: want 0 or more, got -1"},
		{deployment("", "securityContext: {runAsNonRoot: true}"), "f.yaml:13:41: " + container + ".securityContext.runAsNonRoot: no image says which user that is, and Afloat's own may be root; add runAsUser with a number other than 0"},
		{deployment("", "securityContext: {runAsUser: 0, runAsNonRoot: true}"), "f.yaml:13:55: " + container + ".securityContext.runAsNonRoot: no image says which user that is, and Afloat's own may be root; add runAsUser with a number other than 0"},
		{deployment("", "securityContext: {privileged: true}"), "f.yaml:13:27: " + container + ".securityContext.privileged: not supported yet: a replica has the rights of its user; remove it"},
		{deployment("", "securityContext: {capabilities: {drop: [ALL], add: [NET_ADMIN]}}"), "f.yaml:13:48: warning: " + container + ".securityContext.capabilities.drop: not enforced: a replica has the capabilities of its user\nf.yaml:13:60: " + container + ".securityContext.capabilities.add: not supported yet: a replica has the capabilities of its user; remove it"},
		{deployment("", "securityContext: {readOnlyRootFilesystem: true}"), "f.yaml:13:27: warning: " + container + ".securityContext.readOnlyRootFilesystem: not enforced: replicas are plain processes"},
		{swap("      containers:", "      securityContext: {sysctls: [{name: a}]}\n      containers:"), "f.yaml:10:25: spec.template.spec.securityContext.sysctls: not supported yet: the kernel is that of the whole machine; remove it"},
		{deployment("", "lifecycle: {preStop: {tcpSocket: {port: 5}}}"), "f.yaml:13:31: " + container + ".lifecycle.preStop.tcpSocket: Kubernetes has deprecated this field; write exec"},
		{deployment("", "lifecycle: {preStop: {}}"), "f.yaml:13:30: " + container + ".lifecycle.preStop: does nothing; write one of exec, httpGet and sleep"},
		{deployment("", "lifecycle: {preStop: {sleep: {seconds: 5}, exec: {command: [a]}}}"), "f.yaml:13:30: " + container + ".lifecycle.preStop: want only one of exec, httpGet and sleep; keep one of them"},
		{deployment("", "lifecycle: {preStop: {httpGet: {port: web}}}"), "f.yaml:13:47: " + container + ".lifecycle.preStop.httpGet.port: no port of the container is named web; add it to ports, or write a number"},
		{deployment("", "lifecycle: {postStart: {exec: {command: [a]}}}"), "f.yaml:13:21: " + container + ".lifecycle.postStart: not supported yet: nothing runs after a start; remove it"},
		{deployment("paused: true", ""), "f.yaml:5:3: spec.paused: not supported yet: a rollout is not paused by its document; remove it"},
		{deployment("revisionHistoryLimit: 3", ""), "f.yaml:5:3: warning: spec.revisionHistoryLimit: ignored: the last good revision alone is kept"},
		{swap("      containers:", "      restartPolicy: Never\n      containers:"), "f.yaml:10:22: spec.template.spec.restartPolicy: a Deployment always restarts; write Always"},
		{swap("      containers:", "      initContainers: [{name: i}]\n      containers:"), "f.yaml:10:7: spec.template.spec.initContainers: not supported yet: nothing runs before the container; remove it"},
		{swap("      containers:", "      affinity: {podAntiAffinity: {}}\n      containers:"), "f.yaml:10:7: warning: spec.template.spec.affinity: ignored: every replica runs on this machine"},
		{swap("      - name: a\n        command: [a]\n        image: a", "      []"), "f.yaml:10:7: spec.template.spec.containers: want a container"},
		{swap("      - name: a\n", "      - {name: a, command: [b]}\n      - name: a\n"), "f.yaml:12:9: spec.template.spec.containers[1]: there are 2 containers, but a replica is one process here; keep one of them\nf.yaml:12:15: spec.template.spec.containers[1].name: \"a\" stands twice; give each container a name of its own"},
	}
	for _, tt := range tests {
		_, problems := ReadDeployment(document(t, "f.yaml", tt.yaml))
		if got := problems.Error(); got != tt.want {
			t.Errorf("%s\ngot  %s\nwant %s", tt.yaml, got, tt.want)
		}
	}
	if len(tests) < 60 {
		t.Errorf("only %d bad documents", len(tests))
	}
}

// The official decoder gives up at the first bad quantity and hides the rest.
func TestABadQuantityHidesNothing(t *testing.T) {
	_, problems := ReadDeployment(document(t, "f.yaml", deployment("replicas: x", "resources: {limits: {cpu: much, memory: 1Gb}}\n        imagePolicy: Always")))
	if got := len(problems.Errors()); got != 4 {
		t.Errorf("%d errors, want 4:\n%v", got, problems)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(deployment("replicas: 3", "livenessProbe: {httpGet: {port: web}}"))
	f.Add(deployment("strategy: {rollingUpdate: {maxSurge: 25%}}", "resources: {limits: {cpu: 1}}"))
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := yamltree.Parse("f.yaml", []byte(text))
		for _, doc := range docs {
			d, problems := ReadDeployment(doc)
			d.Explain()
			for _, p := range problems {
				if p.Line < 1 || p.Column < 1 {
					t.Errorf("no place: %v", p)
				}
			}
		}
	})
}
