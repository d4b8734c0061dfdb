package kube

import (
	"github.com/afloat-dev/afloat/internal/config/kube/meta"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// The fields of the Kubernetes API that the structs do not hold, so that they
// are told apart from typing mistakes. Source: kubernetes/api, apps/v1/types.go
// and core/v1/types.go.

const (
	oneMachine  = "every replica runs on this machine"
	noImage     = "no image is pulled"
	ownUser     = "replicas run as Afloat's own user, with its rights"
	noAccount   = "there is no API server to have an account at"
	noContainer = "replicas are plain processes"
)

func (deploymentSpec) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"revisionHistoryLimit": meta.Ignored("the last good revision alone is kept"),
		"paused":               meta.Unless(meta.Refused("a rollout is not paused by its document"), "false"),
	}
}

func (podMetadata) YAMLNotes() map[string]yamltree.Note {
	notes := map[string]yamltree.Note{"creationTimestamp": meta.Ignored("a cluster sets it")}
	for _, name := range []string{"name", "generateName", "namespace", "finalizers", "ownerReferences"} {
		notes[name] = meta.Ignored("replicas are named after the Deployment")
	}
	return notes
}

func (podSpec) YAMLNotes() map[string]yamltree.Note {
	notes := map[string]yamltree.Note{
		"volumes":               meta.Refused("nothing is mounted"),
		"initContainers":        meta.Refused("nothing runs before the container"),
		"ephemeralContainers":   meta.Refused(noContainer),
		"activeDeadlineSeconds": meta.Refused("replicas may run for ever"),
		"shareProcessNamespace": meta.Unless(meta.Refused(noContainer), "false"),
		"hostAliases":           meta.Refused("/etc/hosts stays as it is"),
		"dnsConfig":             meta.Refused("names are resolved as on this machine"),
		"readinessGates":        meta.Refused("readiness comes from the probe alone"),
		"schedulingGates":       meta.Refused("nothing holds a start back"),
		"resourceClaims":        meta.Refused("no devices are handed out"),
		"evictionResponders":    meta.Refused("replicas are not evicted"),
		"dnsPolicy":             meta.Ignored("names are resolved as on this machine"),
		"hostname":              meta.Ignored("replicas have this machine's name"),
		"subdomain":             meta.Ignored("replicas have this machine's name"),
		"hostnameOverride":      meta.Ignored("replicas have this machine's name"),
		"setHostnameAsFQDN":     meta.Unless(meta.Ignored("replicas have this machine's name"), "false"),
		"hostNetwork":           meta.Unless(meta.Ignored("replicas always use this machine's network"), "true"),
		"hostPID":               meta.Unless(meta.Ignored("replicas always see this machine's processes"), "true"),
		"hostIPC":               meta.Unless(meta.Ignored("replicas always share this machine's IPC"), "true"),
		"hostUsers":             meta.Unless(meta.Ignored(ownUser), "true"),
		"imagePullSecrets":      meta.Ignored(noImage),
		"resources":             {Severity: yamltree.Warning, Word: "not enforced: limits belong to the container"},
		"enableServiceLinks":    meta.Ignored("services are not announced in the environment"),
		"runtimeClassName":      meta.Ignored(noContainer),
		"overhead":              meta.Ignored(noContainer),
		"os":                    meta.Ignored(oneMachine),
	}
	for _, name := range []string{"serviceAccountName", "serviceAccount", "automountServiceAccountToken"} {
		notes[name] = meta.Ignored(noAccount)
	}
	for _, name := range []string{"nodeSelector", "nodeName", "affinity", "schedulerName", "tolerations", "priorityClassName", "priority",
		"preemptionPolicy", "topologySpreadConstraints", "workloadRef", "schedulingGroup"} {
		notes[name] = meta.Ignored(oneMachine)
	}
	return notes
}

func (Container) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"envFrom":                  meta.Refused("there are no ConfigMaps and Secrets"),
		"volumeMounts":             meta.Refused("nothing is mounted"),
		"volumeDevices":            meta.Refused("nothing is mounted"),
		"restartPolicy":            meta.Unless(meta.Refused("a replica is always restarted"), "Always"),
		"restartPolicyRules":       meta.Refused("a replica is always restarted"),
		"resizePolicy":             meta.Ignored("a replica is restarted when its limits change"),
		"terminationMessagePath":   meta.Ignored("the last words of a replica are in its log"),
		"terminationMessagePolicy": meta.Ignored("the last words of a replica are in its log"),
		"imagePullPolicy":          meta.Ignored(noImage),
		"stdin":                    meta.Unless(meta.Refused("replicas have no standard input"), "false"),
		"stdinOnce":                meta.Unless(meta.Refused("replicas have no standard input"), "false"),
		"tty":                      meta.Unless(meta.Refused("replicas have no terminal"), "false"),
	}
}

func (EnvVar) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"valueFrom": {Severity: yamltree.Error, Word: "not supported yet: there are no ConfigMaps, Secrets and pods to take it from", Fix: "write value"},
	}
}

func (Port) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"protocol": meta.Unless(meta.Refused("only TCP ports are handed out"), "TCP"),
		"hostPort": meta.Ignored("each replica is handed a port of its own"),
		"hostIP":   meta.Ignored("replicas serve on loopback"),
	}
}

func (Resources) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{"claims": meta.Refused("no devices are handed out")}
}

func (Lifecycle) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"postStart":  meta.Refused("nothing runs after a start"),
		"stopSignal": meta.Unless(meta.Refused("replicas are stopped by SIGTERM"), "SIGTERM"),
	}
}

func (PreStop) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"tcpSocket": {Severity: yamltree.Error, Word: "Kubernetes has deprecated this field", Fix: "write exec"},
	}
}

func (HTTPGet) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{"protocol": meta.Refused("probes speak HTTP/1.1")}
}
