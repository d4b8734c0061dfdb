package kube

import (
	"slices"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// Container is what runs in a replica.
type Container struct {
	Name  string `yaml:"name" required:"true"`
	Image string `yaml:"image"`
	// Command is the program and its first arguments; Args follow them. $(VAR)
	// in both stands for a variable of the replica's environment.
	Command    []string  `yaml:"command"`
	Args       []string  `yaml:"args"`
	WorkingDir string    `yaml:"workingDir"`
	Env        []EnvVar  `yaml:"env"`
	Ports      []Port    `yaml:"ports"`
	Resources  Resources `yaml:"resources"`
	Startup    *Probe    `yaml:"startupProbe"`
	Readiness  *Probe    `yaml:"readinessProbe"`
	Liveness   *Probe    `yaml:"livenessProbe"`
	Lifecycle  Lifecycle `yaml:"lifecycle"`
	Security   Security  `yaml:"securityContext"`
}

// EnvVar is a variable of the replica's environment; a later one of the same
// name counts. Value may use $(VAR).
type EnvVar struct {
	Name  string `yaml:"name" required:"true"`
	Value string `yaml:"value"`
}

// Port is a port that the container serves.
type Port struct {
	Name          string `yaml:"name"`
	ContainerPort int    `yaml:"containerPort" required:"true" min:"1" max:"65535"`
}

// Resources are what the container asks for and may use.
type Resources struct {
	Requests map[string]Quantity `yaml:"requests"`
	Limits   map[string]Quantity `yaml:"limits"`
}

// Request is how much of a resource the container asks for: where it says
// nothing of that, its limit, as in Kubernetes; 0 where that is not said either.
func (r Resources) Request(name string) float64 {
	if q, said := r.Requests[name]; said {
		return q.Value
	}
	return r.Limits[name].Value
}

// Lifecycle holds what is done when a replica is stopped.
type Lifecycle struct {
	PreStop *PreStop `yaml:"preStop"`
}

// PreStop is done before SIGTERM, within the grace time. Exactly one of its
// fields is set.
type PreStop struct {
	Exec    *Exec    `yaml:"exec"`
	HTTPGet *HTTPGet `yaml:"httpGet"`
	Sleep   *Sleep   `yaml:"sleep"`
}

// Sleep waits.
type Sleep struct {
	Seconds int64 `yaml:"seconds" required:"true" min:"0" max:"86400"`
}

// Exec is a command to run beside the container's own.
type Exec struct {
	Command []string `yaml:"command" required:"true"`
}

// Argv is the whole command line, or nothing where the container names no
// command: then only its image knows what to run.
func (c Container) Argv() []string {
	if len(c.Command) == 0 {
		return nil
	}
	return append(slices.Clone(c.Command), c.Args...)
}

// DeclaredPorts returns every port that the container declares or a probe asks,
// each once: first ports, then those of readiness, liveness and startup. The
// first is the replica's main port.
func (c Container) DeclaredPorts() []int {
	var out []int
	add := func(port int) {
		if port > 0 && !slices.Contains(out, port) {
			out = append(out, port)
		}
	}
	for _, p := range c.Ports {
		add(p.ContainerPort)
	}
	for _, p := range []*Probe{c.Readiness, c.Liveness, c.Startup} {
		if port, ok := p.port(); ok {
			add(c.Resolve(port))
		}
	}
	if stop := c.Lifecycle.PreStop; stop != nil && stop.HTTPGet != nil {
		add(c.Resolve(stop.HTTPGet.Port))
	}
	return out
}

// Resolve returns a port's number, looking up a name among Ports; 0 means that
// there is no such port.
func (c Container) Resolve(p PortRef) int {
	if p.Name == "" {
		return p.Number
	}
	for _, port := range c.Ports {
		if port.Name == p.Name {
			return port.ContainerPort
		}
	}
	return 0
}

func (c Container) withDefaults(p podSecurity) Container {
	c.Security = c.Security.within(p)
	c.Startup, c.Readiness, c.Liveness = c.Startup.withDefaults(), c.Readiness.withDefaults(), c.Liveness.withDefaults()
	if stop := c.Lifecycle.PreStop; stop != nil && stop.HTTPGet != nil {
		c.Lifecycle.PreStop = &PreStop{HTTPGet: stop.HTTPGet.withDefaults()}
	}
	return c
}

// PortRef is a port by number, or by its name among the container's ports.
type PortRef struct {
	Number int
	Name   string
}

// DecodeYAML reads a number or a name.
func (p *PortRef) DecodeYAML(d *yamltree.Decoder, n *yamltree.Node) {
	switch n.Kind() {
	case yamltree.Int:
		d.Decode(n, &p.Number)
		if p.Number < 1 || p.Number > 65535 {
			d.Want(n, "a port from 1 to 65535", "")
		}
	case yamltree.String:
		p.Name = n.Text()
		if kindOfPort(p.Name) != "" {
			d.Want(n, "a port's number or name", kindOfPort(p.Name))
		}
	default:
		d.Want(n, "a port's number or name", "")
	}
}
