package kube

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Runnable returns the one container that can run, or an error that says why
// none can.
func (d Deployment) Runnable() (Container, error) {
	switch {
	case len(d.Containers) == 0:
		return Container{}, errors.New("there is no container")
	case len(d.Containers) > 1:
		return Container{}, fmt.Errorf("there are %d containers, but a replica is one process here: nothing would run", len(d.Containers))
	case len(d.Containers[0].Command) == 0:
		return Container{}, errors.New("container " + d.Containers[0].Name + " " + noCommand(d.Containers[0]))
	}
	return d.Containers[0], nil
}

// Explain says in sentences, one each, what would run of the Deployment and what
// cannot.
func (d Deployment) Explain() []string {
	what := "Deployment " + d.Name + ": "
	container, err := d.Runnable()
	switch {
	case err == nil:
		what += fmt.Sprintf("container %s runs %s on this machine%s.", container.Name, commandLine(container.Argv()), unpulled(container))
	case len(d.Containers) == 1:
		container = d.Containers[0]
		what += err.Error() + ". Add spec.template.spec.containers[0].command."
	default:
		what += err.Error() + "."
	}
	how := fmt.Sprintf("replaced by rolling update with at most %s unavailable and %s surge", d.Strategy.MaxUnavailable, d.Strategy.MaxSurge)
	if d.Recreate {
		how = "all stopped before new ones start"
	}
	out := []string{what, fmt.Sprintf("%s, %s%s.", plural(d.Replicas, "replica"), how, minReady(d.MinReady))}
	if len(d.Containers) == 1 {
		out = append(out, container.explain(d.Grace)...)
	}
	return out
}

func (c Container) explain(grace time.Duration) []string {
	out := append(c.explainPorts(), c.explainProbes()...)
	stop := "A replica is stopped by SIGTERM, and by SIGKILL after " + words(grace)
	if before := c.explainPreStop(); before != "" {
		stop += "; before that " + before
	}
	out = append(out, stop+".")
	out = append(out, c.Security.explain()...)
	return append(out, c.explainLimits()...)
}

func (s Security) explain() (out []string) {
	user, group := s.User(), s.Group()
	switch {
	case user != "" && group != "":
		out = append(out, "It runs as user "+user+" and group "+group+".")
	case user != "":
		out = append(out, "It runs as user "+user+".")
	case group != "":
		out = append(out, "It runs as group "+group+".")
	}
	if s.NoNewPrivileges() {
		out = append(out, "Its programs gain no rights, as by a setuid bit.")
	}
	return out
}

func (c Container) explainPreStop() string {
	switch stop := c.Lifecycle.PreStop; {
	case stop == nil:
	case stop.Exec != nil:
		return "it runs " + commandLine(stop.Exec.Command)
	case stop.HTTPGet != nil:
		return fmt.Sprintf("it is asked GET %s on port %d", stop.HTTPGet.Path, c.Resolve(stop.HTTPGet.Port))
	case stop.Sleep != nil:
		return "Afloat waits " + words(time.Duration(stop.Sleep.Seconds)*time.Second)
	}
	return ""
}

func (c Container) explainLimits() []string {
	var out []string
	for _, l := range []struct{ name, form string }{{"cpu", "It gets at most %s of a processor's time."}, {"memory", "It is killed when it uses more than %s of memory."}} {
		if limit := c.Resources.Limits[l.name]; limit.Text != "" {
			out = append(out, fmt.Sprintf(l.form, limit))
		}
	}
	return out
}

func (c Container) explainPorts() []string {
	var out []string
	for i, port := range c.DeclaredPorts() {
		name := fmt.Sprintf("$PORT_%d", port)
		if i == 0 {
			name = "$PORT and " + name
		}
		out = append(out, fmt.Sprintf("Port %d is handed out per replica as %s.", port, name))
	}
	if len(out) == 0 {
		out = append(out, "No port is declared; each replica is handed one as $PORT.")
	}
	return out
}

func (c Container) explainProbes() []string {
	var out []string
	for _, p := range []struct {
		name   string
		probe  *Probe
		effect string
	}{
		{"Startup", c.Startup, "the replica is restarted"},
		{"Readiness", c.Readiness, "the replica gets no requests"},
		{"Liveness", c.Liveness, "the replica is restarted"},
	} {
		if p.probe != nil {
			out = append(out, fmt.Sprintf("%s: %s; after %s in a row %s.", p.name, c.explainProbe(*p.probe), plural(int(p.probe.FailureThreshold), "failure"), p.effect))
		}
	}
	switch {
	case c.Readiness != nil:
	case len(c.DeclaredPorts()) > 0:
		out = append(out, "Without a readiness probe a replica is ready once its first port accepts a connection.")
	default:
		out = append(out, "Without a readiness probe and a port a replica is ready once it has started.")
	}
	return out
}

// explainProbe says what is asked and when, such as "GET /health on port 8080
// after 10 s every 5 s".
func (c Container) explainProbe(p Probe) string {
	asked := "nothing"
	switch {
	case p.HTTPGet != nil:
		scheme := ""
		if p.HTTPGet.Scheme == "HTTPS" {
			scheme = " over HTTPS"
		}
		asked = fmt.Sprintf("GET %s on port %d%s", p.HTTPGet.Path, c.Resolve(p.HTTPGet.Port), scheme)
	case p.TCPSocket != nil:
		asked = fmt.Sprintf("a connection to port %d", c.Resolve(p.TCPSocket.Port))
	case p.Exec != nil:
		asked = commandLine(p.Exec.Command)
	case p.GRPC != nil && p.GRPC.Service != "":
		asked = fmt.Sprintf("gRPC health of %s on port %d", p.GRPC.Service, p.GRPC.Port)
	case p.GRPC != nil:
		asked = fmt.Sprintf("gRPC health on port %d", p.GRPC.Port)
	}
	after := ""
	if p.InitialDelaySeconds > 0 {
		after = " after " + words(p.InitialDelay())
	}
	return fmt.Sprintf("%s%s every %s, within %s", asked, after, words(p.Period()), words(p.Timeout()))
}

// noCommand says why a container cannot run.
func noCommand(c Container) string {
	if c.Image == "" {
		return "has no command: nothing would run"
	}
	return fmt.Sprintf("has image %s and no command. Afloat runs local commands, it pulls no images: nothing would run", clip(c.Image))
}

func unpulled(c Container) string {
	if c.Image == "" {
		return ""
	}
	return fmt.Sprintf("; its image %s is not pulled", clip(c.Image))
}

func minReady(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return "; a new replica counts after " + words(d) + " of being ready"
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// words writes a duration of whole seconds: 90 s.
func words(d time.Duration) string { return fmt.Sprintf("%d s", int(d/time.Second)) }

// commandLine joins a command, quoting what a shell would split.
func commandLine(argv []string) string {
	out := make([]string, len(argv))
	for i, arg := range argv {
		out[i] = arg
		if arg == "" || strings.ContainsFunc(arg, func(r rune) bool { return r == ' ' || r == '"' || r == '\'' || !unicode.IsPrint(r) }) {
			out[i] = strconv.Quote(arg)
		}
	}
	return strings.Join(out, " ")
}
