package kube

import (
	"cmp"
	"time"
)

// Probe asks a replica one question again and again. Exactly one of HTTPGet,
// TCPSocket, Exec and GRPC is set.
type Probe struct {
	HTTPGet   *HTTPGet   `yaml:"httpGet"`
	TCPSocket *TCPSocket `yaml:"tcpSocket"`
	Exec      *Exec      `yaml:"exec"`
	GRPC      *GRPC      `yaml:"grpc"`

	InitialDelaySeconds int32 `yaml:"initialDelaySeconds" min:"0"`
	// PeriodSeconds between tries; 0 means 10.
	PeriodSeconds int32 `yaml:"periodSeconds" min:"0"`
	// TimeoutSeconds of a try; 0 means 1.
	TimeoutSeconds int32 `yaml:"timeoutSeconds" min:"0"`
	// SuccessThreshold in a row; 0 means 1, and only readiness may have more.
	SuccessThreshold int32 `yaml:"successThreshold" min:"0"`
	// FailureThreshold in a row; 0 means 3.
	FailureThreshold int32 `yaml:"failureThreshold" min:"0"`
	// TerminationGracePeriodSeconds replaces the replica's where this probe is
	// why it is stopped; nil means the replica's.
	TerminationGracePeriodSeconds *int64 `yaml:"terminationGracePeriodSeconds" min:"1" max:"86400"`
}

// HTTPGet succeeds on a status from 200 to 399.
type HTTPGet struct {
	Path    string   `yaml:"path"` // default "/"
	Port    PortRef  `yaml:"port" required:"true"`
	Host    string   `yaml:"host"`   // only the replica itself is asked
	Scheme  Scheme   `yaml:"scheme"` // default HTTP
	Headers []Header `yaml:"httpHeaders"`
}

// Header is a header of a probe's request.
type Header struct {
	Name  string `yaml:"name" required:"true"`
	Value string `yaml:"value" required:"true"`
}

// Scheme is HTTP or HTTPS; certificates are not verified.
type Scheme string

// Enum lists the schemes.
func (Scheme) Enum() []string { return []string{"HTTP", "HTTPS"} }

// TCPSocket succeeds when a connection opens.
type TCPSocket struct {
	Port PortRef `yaml:"port" required:"true"`
	Host string  `yaml:"host"` // only the replica itself is asked
}

// GRPC succeeds when the server says that it is serving.
type GRPC struct {
	Port    int    `yaml:"port" required:"true" min:"1" max:"65535"`
	Service string `yaml:"service"` // default: the server as a whole
}

// InitialDelay is the time from the start to the first try.
func (p Probe) InitialDelay() time.Duration {
	return time.Duration(p.InitialDelaySeconds) * time.Second
}

// Period is the time between tries.
func (p Probe) Period() time.Duration { return time.Duration(p.PeriodSeconds) * time.Second }

// Timeout bounds one try.
func (p Probe) Timeout() time.Duration { return time.Duration(p.TimeoutSeconds) * time.Second }

// Grace replaces the replica's grace time where this probe stops it; 0 means
// that it does not.
func (p Probe) Grace() time.Duration {
	return time.Duration(or(p.TerminationGracePeriodSeconds, 0)) * time.Second
}

// port returns the port that the probe asks, and false for an exec probe or
// none.
func (p *Probe) port() (PortRef, bool) {
	switch {
	case p == nil:
	case p.HTTPGet != nil:
		return p.HTTPGet.Port, true
	case p.TCPSocket != nil:
		return p.TCPSocket.Port, true
	case p.GRPC != nil:
		return PortRef{Number: p.GRPC.Port}, p.GRPC.Port > 0
	}
	return PortRef{}, false
}

// withDefaults returns a copy with the defaults of Kubernetes.
func (p *Probe) withDefaults() *Probe {
	if p == nil {
		return nil
	}
	out := *p
	for _, d := range []struct {
		field    *int32
		fallback int32
	}{{&out.PeriodSeconds, 10}, {&out.TimeoutSeconds, 1}, {&out.SuccessThreshold, 1}, {&out.FailureThreshold, 3}} {
		if *d.field == 0 {
			*d.field = d.fallback
		}
	}
	if p.HTTPGet != nil {
		out.HTTPGet = p.HTTPGet.withDefaults()
	}
	return &out
}

func (g HTTPGet) withDefaults() *HTTPGet {
	g.Path, g.Scheme = cmp.Or(g.Path, "/"), cmp.Or(g.Scheme, "HTTP")
	return &g
}
