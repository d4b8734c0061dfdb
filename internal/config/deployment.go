package config

import (
	"slices"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/config/kube"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// addDeployment adds a service of the Deployment's name and its process. An
// afloat.yaml may say the policies of that service.
func (a *assembler) addDeployment(d deployment) {
	name := d.Name
	if name == "" {
		return // reported by its reader
	}
	at := d.at.at("metadata", "name")
	if first, ok := a.places[key([]string{"deployments", name})]; ok {
		a.report(at.problem("the Deployment stands twice, first at "+where(first), "keep one of them"))
		return
	}
	a.places.set(at, "deployments", name)
	if a.runs(name) {
		first, _ := a.places.find([]string{"processes", name})
		a.report(at.problem("the service has a process already, at "+where(first), "keep one of them"))
		return
	}
	if _, said := a.out.Gateway.Services[name]; !said {
		a.out.Gateway.Services[name] = gateway.ServiceConfig{}
		a.places.set(d.at, "services", name)
	}
	for _, line := range d.Explain() {
		subject := "Deployment " + name + ": "
		a.out.notes = append(a.out.notes, subject+strings.TrimPrefix(line, subject))
	}
	container, err := d.Runnable()
	switch {
	case err != nil:
		a.out.idle = append(a.out.idle, idleService{name: name, where: where(at) + ": Deployment " + name, why: err.Error(),
			fix: "add spec.template.spec.containers[0].command, or give --upstream " + name + "=HOST:PORT"})
	case d.Replicas == 0:
		a.out.idle = append(a.out.idle, idleService{name: name, where: where(d.at.at("spec", "replicas")) + ": Deployment " + name, why: "has 0 replicas", fix: "write replicas: 1"})
	default:
		a.out.Processes = append(a.out.Processes, d.process(container))
		a.placeDeployment(d)
	}
}

func (a *assembler) idle(name string) bool {
	return slices.ContainsFunc(a.out.idle, func(s idleService) bool { return s.name == name })
}

// process is what the supervisor runs for the Deployment.
func (d deployment) process(c kube.Container) supervise.Config {
	p := supervise.Config{
		Name: d.Name, Command: c.Argv(), Dir: c.WorkingDir, Replicas: d.Replicas, Ports: c.DeclaredPorts(),
		Startup: probe(c, c.Startup), Readiness: probe(c, c.Readiness), Liveness: probe(c, c.Liveness),
		User: c.Security.User(), Group: c.Security.Group(), NoNewPrivileges: c.Security.NoNewPrivileges(),
		Rolling: supervise.RollingConfig{
			MaxUnavailable: supervise.IntOrPercent(d.Strategy.MaxUnavailable.String()),
			MaxSurge:       supervise.IntOrPercent(d.Strategy.MaxSurge.String()),
			MinReady:       d.MinReady, ProgressDeadline: d.ProgressDeadline, Recreate: d.Recreate,
		},
		Grace: max(d.Grace, time.Millisecond), // zero would mean the default
	}
	r := c.Resources
	p.Requests = supervise.ResourcesConfig{CPU: supervise.Cores(r.Request("cpu")), Memory: supervise.Bytes(r.Request("memory"))}
	p.Limits = supervise.LimitsConfig{CPU: supervise.Cores(r.Limits["cpu"].Value), Memory: supervise.Bytes(r.Limits["memory"].Value)}
	for _, v := range c.Env {
		if p.Env == nil {
			p.Env = map[string]string{}
		}
		p.Env[v.Name] = v.Value
	}
	p.PreStop = preStop(c)
	return p
}

func preStop(c kube.Container) *supervise.PreStopConfig {
	switch stop := c.Lifecycle.PreStop; {
	case stop == nil:
	case stop.Exec != nil:
		return &supervise.PreStopConfig{Command: stop.Exec.Command}
	case stop.HTTPGet != nil:
		return &supervise.PreStopConfig{HTTP: httpProbe(c, stop.HTTPGet)}
	case stop.Sleep != nil && stop.Sleep.Seconds > 0:
		return &supervise.PreStopConfig{Sleep: time.Duration(stop.Sleep.Seconds) * time.Second}
	}
	return nil
}

func httpProbe(c kube.Container, get *kube.HTTPGet) *supervise.HTTPProbe {
	out := &supervise.HTTPProbe{Path: get.Path, Port: c.Resolve(get.Port), Scheme: strings.ToLower(string(get.Scheme))}
	for _, h := range get.Headers {
		if out.Headers == nil {
			out.Headers = map[string]string{}
		}
		out.Headers[h.Name] = h.Value
	}
	return out
}

func probe(c kube.Container, p *kube.Probe) *supervise.ProbeConfig {
	if p == nil {
		return nil
	}
	out := &supervise.ProbeConfig{
		InitialDelay: p.InitialDelay(), Period: p.Period(), Timeout: p.Timeout(), Grace: p.Grace(),
		SuccessThreshold: int(p.SuccessThreshold), FailureThreshold: int(p.FailureThreshold),
	}
	switch {
	case p.HTTPGet != nil:
		out.HTTP = httpProbe(c, p.HTTPGet)
	case p.TCPSocket != nil:
		out.TCP = &supervise.TCPProbe{Port: c.Resolve(p.TCPSocket.Port)}
	case p.Exec != nil:
		out.Exec = &supervise.ExecConfig{Command: p.Exec.Command}
	case p.GRPC != nil:
		out.GRPC = &supervise.GRPCProbe{Port: p.GRPC.Port, Service: p.GRPC.Service}
	}
	return out
}

// placeDeployment notes where the fields of the process stood.
func (a *assembler) placeDeployment(d deployment) {
	pod := d.at.at("spec", "template", "spec")
	container := pod.at("containers", 0)
	set := func(at place, path string) {
		steps := []any{"processes", d.Name}
		for step := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '.' }) {
			steps = append(steps, step)
		}
		a.places.set(at, steps...)
	}
	set(d.at, "")
	set(d.at.at("metadata", "name"), "name")
	set(d.at.at("spec", "replicas"), "replicas")
	set(container.at("command"), "command")
	set(container.at("workingDir"), "dir")
	set(container.at("env"), "env")
	for field, theirs := range map[string]string{"user": "runAsUser", "group": "runAsGroup"} {
		at := container.at("securityContext", theirs)
		if _, said := at.doc.Find(at.path); !said {
			at = pod.at("securityContext", theirs) // what the pod says for all of its containers
		}
		set(at, field)
	}
	set(container.at("ports"), "ports")
	for _, part := range []string{"requests", "limits"} {
		for _, name := range []string{"cpu", "memory"} {
			set(container.at("resources", part, name), part+"."+name)
		}
	}
	set(container.at("lifecycle", "preStop"), "preStop")
	set(container.at("lifecycle", "preStop", "exec", "command"), "preStop.command")
	set(container.at("lifecycle", "preStop", "httpGet"), "preStop.http")
	set(pod.at("terminationGracePeriodSeconds"), "grace")
	set(d.at.at("spec", "strategy", "rollingUpdate"), "rolling")
	set(d.at.at("spec", "minReadySeconds"), "rolling.minReady")
	set(d.at.at("spec", "progressDeadlineSeconds"), "rolling.progressDeadline")
	for _, name := range []string{"startup", "readiness", "liveness"} {
		at := container.at(name + "Probe")
		set(at, name)
		set(at.at("httpGet"), name+".http")
		set(at.at("httpGet", "httpHeaders"), name+".http.headers")
		set(at.at("tcpSocket"), name+".tcp")
		for field, theirs := range map[string]string{"initialDelay": "initialDelaySeconds", "period": "periodSeconds",
			"timeout": "timeoutSeconds", "grace": "terminationGracePeriodSeconds"} {
			set(at.at(theirs), name+"."+field)
		}
	}
}
