package config

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/afloat-dev/afloat/internal/alert"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
	"github.com/afloat-dev/afloat/internal/control/rollout"
	"github.com/afloat-dev/afloat/internal/control/scale"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal/tsdb"
	"github.com/afloat-dev/afloat/internal/supervise"
	"github.com/afloat-dev/afloat/policy"
)

// File is afloat.yaml. Several of them are taken as one.
type File struct {
	// Listen is the short form of one listener: host:port, or a port on
	// loopback. Default 127.0.0.1:8080, where there is no listeners either.
	Listen Address `yaml:"listen"`
	// TLS makes the address under listen one of HTTPS.
	TLS *gateway.TLSConfig `yaml:"tls"`
	// HTTP3 has the address under listen take requests of HTTP/3 too.
	HTTP3 *gateway.HTTP3Config `yaml:"http3"`
	// Listeners are the addresses that take requests.
	Listeners []gateway.ListenerConfig `yaml:"listeners"`
	// Admin is where Afloat answers for itself: status, metrics, health.
	Admin AdminConfig `yaml:"admin"`
	// Services are where requests go, by name.
	Services map[string]Service `yaml:"services"`
	// Routes are tried in order; the first that matches takes the request.
	// In a sidecar, what none takes goes by the endpoint that was called.
	// Default, with exactly one service and no sidecar: all requests go to it.
	Routes []gateway.RouteConfig `yaml:"routes"`
	// Zone is where Afloat itself runs, as zone or region/zone, to prefer
	// endpoints that are near. Default: nowhere, so that all are.
	Zone string `yaml:"zone"`
	// Data is a folder for what must outlive Afloat. Default afloat-data, below
	// the folder in which Afloat was started.
	Data string `yaml:"data"`
	// Memory says when requests are refused for want of it.
	Memory gateway.MemoryConfig `yaml:"memory"`
	// Sidecar is how afloat sidecar treats a program's connections.
	Sidecar SidecarConfig `yaml:"sidecar"`
	// Supervisor is how the processes of all services are kept.
	Supervisor SupervisorConfig `yaml:"supervisor"`
	// Alerts say what is watched and who is told.
	Alerts alert.Config `yaml:"alerts"`
	// SLO are objectives, by name: what users may rely on.
	SLO map[string]alert.ObjectiveConfig `yaml:"slo"`
	// Metrics says how metrics are kept.
	Metrics tsdb.Config `yaml:"metrics"`
	// AccessLog is a line for each request. Default: none.
	AccessLog AccessLogConfig `yaml:"accessLog"`
	// Tracing sends traces of requests to a collector. Default: none.
	Tracing *TracingConfig `yaml:"tracing"`
	// Log is what Afloat says of itself, on standard error.
	Log LogConfig `yaml:"log"`
}

// Service is a set of endpoints that do the same work: addresses, processes
// that Afloat runs itself, or both.
type Service struct {
	gateway.ServiceConfig `yaml:",inline"`
	// Process is what Afloat runs and keeps running for the service.
	Process *supervise.Config `yaml:"process"`
	// Scale is by what there are more or fewer replicas of the process. Default:
	// as many as it says.
	Scale *scale.Config `yaml:"scale"`
	// Release is how a new version of the process takes the place of the old one.
	// Default: replica by replica, without a way back.
	Release *rollout.Config `yaml:"release"`
}

// SidecarConfig is how afloat sidecar treats the connections that its rules
// redirect.
type SidecarConfig struct {
	// Outbound are the program's own calls.
	Outbound gateway.TransparentConfig `yaml:"outbound"`
	// Inbound are the calls to the program. Its field inbound need not be set.
	Inbound gateway.TransparentConfig `yaml:"inbound"`
}

// Address is host:port or a port alone, which may be written as a number.
type Address string

// UnmarshalText takes any text; whether it is an address is checked with the
// rest.
func (a *Address) UnmarshalText(text []byte) error {
	*a = Address(text)
	return nil
}

// AdminOff is the admin address that switches the admin listener off.
const AdminOff = "off"

// AdminConfig is the listener for status, metrics and health.
type AdminConfig struct {
	// Address is host:port, a port on loopback, or "off". Default
	// 127.0.0.1:9900.
	Address Address `yaml:"address"`
	// Token lets those who send it, as "Authorization: Bearer TOKEN", look and
	// act. Required where Address is not on loopback. Write ${NAME} to take it from the environment.
	Token Secret `yaml:"token"`
	// ReadToken lets those who send it look, and not act. Where it is set on
	// loopback too, nobody gets in without a token.
	ReadToken Secret `yaml:"readToken"`
	// OIDC lets people log in by name at a provider of OpenID Connect. Default:
	// nobody does.
	OIDC *OIDCConfig `yaml:"oidc"`
}

// Off tells whether there is no admin listener.
func (c AdminConfig) Off() bool { return c.Address == AdminOff }

// Secret is text that is neither logged nor printed.
type Secret string

const hidden = "[secret]"

// String returns a placeholder.
func (Secret) String() string { return hidden }

// GoString returns a placeholder.
func (Secret) GoString() string { return hidden }

// LogValue returns a placeholder.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText returns a placeholder.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// DecodeYAML takes any scalar, since a message about a wrong one would show it.
func (s *Secret) DecodeYAML(d *yamltree.Decoder, n *yamltree.Node) {
	if !n.Kind().Scalar() {
		d.Want(n, "a string", "")
		return
	}
	*s = Secret(n.Text())
}

// SchemaYAML is a string, or what YAML takes for a number.
func (Secret) SchemaYAML() map[string]any {
	return map[string]any{"type": []string{"string", "number", "boolean"}}
}

// AccessLogConfig is a line of JSON for each request.
type AccessLogConfig struct {
	// Path is a file to append to, or "-" for standard output. Default: none.
	Path string `yaml:"path"`
	// SizeMax is how long the file gets before it is renamed to path.1, path.1
	// to path.2, and so on. Default 100Mi.
	SizeMax supervise.Bytes `yaml:"sizeMax"`
	// FilesMax is how many files there are at most, the present one included.
	// Default 10, at most 1000.
	FilesMax int `yaml:"filesMax"`
	// AgeMax is how long renamed files are kept, looked at once a minute.
	// Default: as long as FilesMax allows.
	AgeMax time.Duration `yaml:"ageMax"`
	// Sample is the share of the requests that are written; those that failed
	// always are. Default 100%.
	Sample policy.Ratio `yaml:"sample"`
}

func (c AccessLogConfig) withDefaults() AccessLogConfig {
	c.Sample = cmp.Or(c.Sample, 1)
	c.SizeMax = cmp.Or(c.SizeMax, 100<<20)
	c.FilesMax = cmp.Or(c.FilesMax, 10)
	return c
}

// LogConfig is what Afloat says of itself.
type LogConfig struct {
	// Level is the least that is told: debug, info, warn or error. Default info.
	Level LogLevel `yaml:"level"`
	// Format is text or json. Default text.
	Format LogFormat `yaml:"format"`
}

// LogLevel is a level of [slog].
type LogLevel string

// Enum lists what a configuration file may say.
func (LogLevel) Enum() []string { return []string{"debug", "info", "warn", "error"} }

// Level returns the level for slog; info where nothing is said.
func (l LogLevel) Level() slog.Level {
	var level slog.Level
	if l == "" || level.UnmarshalText([]byte(l)) != nil {
		return slog.LevelInfo
	}
	return level
}

// LogFormat is how lines of the log are written.
type LogFormat string

// Enum lists what a configuration file may say.
func (LogFormat) Enum() []string { return []string{"text", "json"} }
