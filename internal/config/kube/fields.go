package kube

import "github.com/afloat-dev/afloat/internal/config/yamltree"

// The fields of the Kubernetes API that the structs do not hold, so that they
// are told apart from typing mistakes. Source: kubernetes/api, apps/v1/types.go
// and core/v1/types.go.

// refused is a field that cannot be ignored: word says what would be lost.
func refused(word string) yamltree.Note {
	return yamltree.Note{Severity: yamltree.Error, Word: "not supported yet: " + word, Fix: "remove it"}
}

// ignored is a field without effect here: word says why that is harmless.
func ignored(word string) yamltree.Note {
	return yamltree.Note{Severity: yamltree.Warning, Word: "ignored: " + word}
}

// unless makes a note silent for values that change nothing.
func unless(note yamltree.Note, neutral ...string) yamltree.Note {
	note.Neutral = neutral
	return note
}

const (
	oneMachine  = "every replica runs on this machine"
	noImage     = "no image is pulled"
	ownUser     = "replicas run as Afloat's own user, with its rights"
	noAccount   = "there is no API server to have an account at"
	noContainer = "replicas are plain processes"
)

func (deploymentSpec) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"revisionHistoryLimit": ignored("the last good revision alone is kept"),
		"paused":               unless(refused("a rollout is not paused by its document"), "false"),
	}
}

func (podMetadata) YAMLNotes() map[string]yamltree.Note {
	notes := map[string]yamltree.Note{"creationTimestamp": ignored("a cluster sets it")}
	for _, name := range []string{"name", "generateName", "namespace", "finalizers", "ownerReferences"} {
		notes[name] = ignored("replicas are named after the Deployment")
	}
	return notes
}

func (podSpec) YAMLNotes() map[string]yamltree.Note {
	notes := map[string]yamltree.Note{
		"volumes":               refused("nothing is mounted"),
		"initContainers":        refused("nothing runs before the container"),
		"ephemeralContainers":   refused(noContainer),
		"activeDeadlineSeconds": refused("replicas may run for ever"),
		"shareProcessNamespace": unless(refused(noContainer), "false"),
		"hostAliases":           refused("/etc/hosts stays as it is"),
		"dnsConfig":             refused("names are resolved as on this machine"),
		"readinessGates":        refused("readiness comes from the probe alone"),
		"schedulingGates":       refused("nothing holds a start back"),
		"resourceClaims":        refused("no devices are handed out"),
		"evictionResponders":    refused("replicas are not evicted"),
		"dnsPolicy":             ignored("names are resolved as on this machine"),
		"hostname":              ignored("replicas have this machine's name"),
		"subdomain":             ignored("replicas have this machine's name"),
		"hostnameOverride":      ignored("replicas have this machine's name"),
		"setHostnameAsFQDN":     unless(ignored("replicas have this machine's name"), "false"),
		"hostNetwork":           unless(ignored("replicas always use this machine's network"), "true"),
		"hostPID":               unless(ignored("replicas always see this machine's processes"), "true"),
		"hostIPC":               unless(ignored("replicas always share this machine's IPC"), "true"),
		"hostUsers":             unless(ignored(ownUser), "true"),
		"securityContext":       ignored(ownUser),
		"imagePullSecrets":      ignored(noImage),
		"resources":             ignored("requests and limits are not enforced on this machine yet"),
		"enableServiceLinks":    ignored("services are not announced in the environment"),
		"runtimeClassName":      ignored(noContainer),
		"overhead":              ignored(noContainer),
		"os":                    ignored(oneMachine),
	}
	for _, name := range []string{"serviceAccountName", "serviceAccount", "automountServiceAccountToken"} {
		notes[name] = ignored(noAccount)
	}
	for _, name := range []string{"nodeSelector", "nodeName", "affinity", "schedulerName", "tolerations", "priorityClassName", "priority",
		"preemptionPolicy", "topologySpreadConstraints", "workloadRef", "schedulingGroup"} {
		notes[name] = ignored(oneMachine)
	}
	return notes
}

func (Container) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"envFrom":                  refused("there are no ConfigMaps and Secrets"),
		"volumeMounts":             refused("nothing is mounted"),
		"volumeDevices":            refused("nothing is mounted"),
		"restartPolicy":            unless(refused("a replica is always restarted"), "Always"),
		"restartPolicyRules":       refused("a replica is always restarted"),
		"resizePolicy":             ignored("requests and limits are not enforced on this machine yet"),
		"terminationMessagePath":   ignored("the last words of a replica are in its log"),
		"terminationMessagePolicy": ignored("the last words of a replica are in its log"),
		"imagePullPolicy":          ignored(noImage),
		"securityContext":          ignored(ownUser),
		"stdin":                    unless(refused("replicas have no standard input"), "false"),
		"stdinOnce":                unless(refused("replicas have no standard input"), "false"),
		"tty":                      unless(refused("replicas have no terminal"), "false"),
	}
}

func (EnvVar) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"valueFrom": {Severity: yamltree.Error, Word: "not supported yet: there are no ConfigMaps, Secrets and pods to take it from", Fix: "write value"},
	}
}

func (Port) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"protocol": unless(refused("only TCP ports are handed out"), "TCP"),
		"hostPort": ignored("each replica is handed a port of its own"),
		"hostIP":   ignored("replicas serve on loopback"),
	}
}

func (Resources) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{"claims": refused("no devices are handed out")}
}

func (Lifecycle) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"postStart":  refused("nothing runs after a start"),
		"stopSignal": unless(refused("replicas are stopped by SIGTERM"), "SIGTERM"),
	}
}

func (PreStop) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"httpGet":   {Severity: yamltree.Error, Word: "not supported yet: before a stop only a command runs", Fix: "write exec"},
		"tcpSocket": {Severity: yamltree.Error, Word: "Kubernetes has deprecated this field", Fix: "write exec"},
		"sleep":     {Severity: yamltree.Error, Word: "not supported yet: before a stop only a command runs", Fix: "write exec: {command: [sleep, ...]}"},
	}
}

func (Probe) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"grpc": {Severity: yamltree.Error, Word: "not supported yet: gRPC health is not asked", Fix: "write httpGet, tcpSocket or exec"},
	}
}

func (HTTPGet) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{"protocol": refused("probes speak HTTP/1.1")}
}
