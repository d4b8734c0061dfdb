package supervise

import "time"

// Limits of a Config.
const (
	ReplicasMax = 1000 // replicas of one service
	PortsMax    = 16   // declared ports of one service
)

// Config describes one service: what to run, how many times, and how to tell that it is well. Zero fields mean the
// defaults written beside them. The same struct serves Go and YAML.
type Config struct {
	// Name of the service: letters, digits, '-', '_' and '.', at most 63. In YAML it is the key of the service.
	Name string `yaml:"-"`

	// Command is the program and its arguments, run without a shell. $(VAR) stands for a variable of the replica's
	// environment, $(PORT) for its first port; $$(VAR) writes $(VAR) itself, and an unknown variable stays as it is
	// written, all as in Kubernetes. Required.
	Command []string `yaml:"command"`

	// Dir is the working directory; default: that of Afloat. A relative Command is looked up in it.
	Dir string `yaml:"dir,omitempty"`

	// Env is added to the environment that Afloat itself has. Values may use $(VAR).
	Env map[string]string `yaml:"env,omitempty"`

	// EnvFiles are files of lines NAME=VALUE, read at each start of a replica. Later ones win, and Env wins over them.
	// A line that begins with # is none; a value in double or single quotes is taken without them; nothing is expanded.
	EnvFiles []string `yaml:"envFiles,omitempty"`

	// User that replicas run as, by name or number, with its groups; default: that of Afloat. Another than that needs
	// the right to change it, as root has.
	User string `yaml:"user,omitempty"`

	// Group that replicas run as, by name or number; default: the first of User.
	Group string `yaml:"group,omitempty"`

	// NoNewPrivileges keeps the replica's programs from gaining rights, as by a setuid bit. Default false.
	NoNewPrivileges bool `yaml:"noNewPrivileges,omitempty"`

	// Replicas is how many run at a time; default 1, at most 1000. To run none, leave the service out.
	Replicas int `yaml:"replicas,omitempty"`

	// Ports are the ports that the command would serve on a machine of its own. Each replica is handed a free loopback
	// port for each: PORT_8080 for the port declared as 8080, and PORT for the first. With no ports declared, a
	// replica still gets one as PORT.
	Ports []int `yaml:"ports,omitempty"`

	// Serves says that replicas take requests on their first port even where none is declared, as those behind a
	// gateway do: without Readiness they are ready once it accepts a connection, as with a declared port.
	Serves bool `yaml:"-"`

	// Startup holds the other probes back until it succeeds; when it fails, the replica is restarted. Default: none.
	Startup *ProbeConfig `yaml:"startup,omitempty"`

	// Readiness decides whether a replica is among the endpoints. Default: where a port is declared, ready once the
	// first port accepts a connection, tried every 50 ms or sooner, and not asked again; else ready when started.
	// A process of an afloat.yaml always has a port to be waited for.
	Readiness *ProbeConfig `yaml:"readiness,omitempty"`

	// Liveness restarts a replica when it fails. Default: none.
	Liveness *ProbeConfig `yaml:"liveness,omitempty"`

	// Restart says when an ended replica is started again, and after how long.
	Restart RestartConfig `yaml:"restart,omitempty"`

	// Budget bounds how many replicas may be away for one to be evicted or drained. Default: no such bound.
	Budget BudgetConfig `yaml:"budget,omitempty"`

	// Rolling bounds the replacement of replicas by those of a changed Config.
	Rolling RollingConfig `yaml:"rolling,omitempty"`

	// Grace is the time a replica has to end once it was told to; then its process group gets SIGKILL. Default 30s, as
	// in Kubernetes. Draining and PreStop happen within it: draining may take half of it, and SIGTERM is given at
	// least 2s (or all of a shorter grace).
	Grace time.Duration `yaml:"grace,omitempty"`

	// Requests are what a replica should get where others want more than there is; default: nothing in particular.
	Requests ResourcesConfig `yaml:"requests,omitempty"`

	// Limits are what a replica may use at most; default: none.
	Limits LimitsConfig `yaml:"limits,omitempty"`

	// Log is a file for what the replicas print. Default: none; it goes to the standard error of Afloat.
	Log *LogConfig `yaml:"log,omitempty"`

	// PreStop is done before the replica gets SIGTERM. Default: nothing.
	PreStop *PreStopConfig `yaml:"preStop,omitempty"`
}

// LogConfig is a file that the replicas of a service share.
type LogConfig struct {
	// Path of the file, relative to Config.Dir. Required.
	Path string `yaml:"path"`
	// SizeMax is how long the file gets before it is renamed to path.1, path.1 to path.2, and so on; default 10Mi.
	SizeMax Bytes `yaml:"sizeMax,omitempty"`
	// FilesMax is how many files there are at most, the present one included; default 5, at most 1000.
	FilesMax int `yaml:"filesMax,omitempty"`
	// AgeMax is how long renamed files are kept, looked at once a minute; default: as long as FilesMax allows.
	AgeMax time.Duration `yaml:"ageMax,omitempty"`
	// Plain leaves out the time and the replica's name before each line. Default false.
	Plain bool `yaml:"plain,omitempty"`
}

// PreStopConfig is what is done before SIGTERM. Exactly one of its fields is set. A failure is logged and changes
// nothing, as in Kubernetes.
type PreStopConfig struct {
	// Command is the program and its arguments, expanded like Config.Command, run in the replica's environment.
	Command []string `yaml:"command,omitempty"`
	// HTTP is a GET to the replica; its answer is waited for.
	HTTP *HTTPProbe `yaml:"http,omitempty"`
	// Sleep lets time pass, for those who learn late that the replica is leaving.
	Sleep time.Duration `yaml:"sleep,omitempty"`
}

// ExecConfig is a command to run in a replica's environment and directory.
type ExecConfig struct {
	// Command is the program and its arguments, expanded like Config.Command. Required.
	Command []string `yaml:"command"`
}

// ProbeConfig asks a replica one question again and again. Exactly one of HTTP, TCP, Exec and GRPC is set. The other fields
// have the meaning and the defaults that they have in Kubernetes.
type ProbeConfig struct {
	// HTTP succeeds on a status from 200 to 399.
	HTTP *HTTPProbe `yaml:"http,omitempty"`
	// TCP succeeds when a connection opens.
	TCP *TCPProbe `yaml:"tcp,omitempty"`
	// Exec succeeds when the command exits with status 0.
	Exec *ExecConfig `yaml:"exec,omitempty"`
	// GRPC succeeds when the server says that it is serving, by grpc.health.v1 without TLS.
	GRPC *GRPCProbe `yaml:"grpc,omitempty"`

	// InitialDelay is the time from the replica's start (or its startup probe's success) to the first try; default 0.
	InitialDelay time.Duration `yaml:"initialDelay,omitempty"`
	// Period is the time between tries; default 10s. As in Kubernetes, a replica that has not been ready yet may be
	// asked more often, so that it gets ready sooner.
	Period time.Duration `yaml:"period,omitempty"`
	// Timeout bounds one try; default 1s.
	Timeout time.Duration `yaml:"timeout,omitempty"`
	// SuccessThreshold is how many successes in a row mean success; default 1, and must be 1 but for readiness.
	SuccessThreshold int `yaml:"successThreshold,omitempty"`
	// FailureThreshold is how many failures in a row mean failure; default 3.
	FailureThreshold int `yaml:"failureThreshold,omitempty"`
	// Grace replaces Config.Grace when this probe is why the replica is stopped; default Config.Grace. Only for
	// startup and liveness.
	Grace time.Duration `yaml:"grace,omitempty"`
}

// HTTPProbe is a GET to the replica. Redirects are followed only on the same host, at most 10.
type HTTPProbe struct {
	// Path with an optional query; default "/".
	Path string `yaml:"path,omitempty"`
	// Port is a declared port; 0 means the first.
	Port int `yaml:"port,omitempty"`
	// Scheme is http or https; default http. Certificates are not verified, as in Kubernetes.
	Scheme string `yaml:"scheme,omitempty"`
	// Headers to send. "Host" sets the host.
	Headers map[string]string `yaml:"headers,omitempty"`
}

// TCPProbe opens a connection to the replica.
type TCPProbe struct {
	// Port is a declared port; 0 means the first.
	Port int `yaml:"port,omitempty"`
}

// GRPCProbe asks a server of gRPC for its health.
type GRPCProbe struct {
	// Port is a declared port; 0 means the first.
	Port int `yaml:"port,omitempty"`
	// Service is whose health is asked for; default: that of the server as a whole.
	Service string `yaml:"service,omitempty"`
}

// RestartPolicy says which ends of a replica are followed by a new start.
type RestartPolicy string

// The restart policies. A replica stopped by its liveness or startup probe has failed, whatever its exit status.
const (
	RestartAlways    RestartPolicy = "always"
	RestartOnFailure RestartPolicy = "onFailure"
	RestartNever     RestartPolicy = "never"
)

// RestartConfig is the policy and the backoff between starts. The delay is 0 for the first restart after the replica
// was ready for ResetAfter, else it starts at DelayMin and doubles up to DelayMax. Of each delay, a random half is
// taken off at most.
type RestartConfig struct {
	// Policy is which ends of a replica are followed by a new start: always, onFailure or never. One that its liveness
	// or startup probe has stopped has failed. Default always.
	Policy RestartPolicy `yaml:"policy,omitempty"`
	// DelayMin is how long the first start is waited for that is not at once; the wait doubles with each that follows.
	// Default 100ms.
	DelayMin time.Duration `yaml:"delayMin,omitempty"`
	// DelayMax is the longest that a start is waited for. Default 30s.
	DelayMax time.Duration `yaml:"delayMax,omitempty"`
	// ResetAfter is how long a replica must have been ready for its next start to come at once. Default 10s.
	ResetAfter time.Duration `yaml:"resetAfter,omitempty"`
}

// RollingConfig bounds a rolling update. Replicas that are being stopped still count for MaxSurge: there are never
// more processes than Replicas plus MaxSurge.
type RollingConfig struct {
	// MaxUnavailable is how many of Replicas may be missing; a number or a percentage, rounded down. Default 25%.
	MaxUnavailable IntOrPercent `yaml:"maxUnavailable,omitempty"`
	// MaxSurge is how many more than Replicas may exist; a number or a percentage, rounded up. Default 25%. Where both
	// come to 0 by rounding, one may be unavailable; where both are written as 0, Validate refuses.
	MaxSurge IntOrPercent `yaml:"maxSurge,omitempty"`
	// Recreate stops all replicas before any of the changed Config starts, for those that do not stand one another:
	// the service is away meanwhile. The bounds above have no meaning then. Default false.
	Recreate bool `yaml:"recreate,omitempty"`
	// MinReady is how long a new replica must be ready before it counts; default 0, and 5s in a rolling release.
	MinReady time.Duration `yaml:"minReady,omitempty"`
	// ProgressDeadline is how long a rollout may stand still before it is stalled; default 10m.
	ProgressDeadline time.Duration `yaml:"progressDeadline,omitempty"`
}
