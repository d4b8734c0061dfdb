package supervise

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/logfile"
)

// FieldError is one problem of a Config.
type FieldError struct {
	// Field is the dotted YAML path within the service, such as "readiness.http.path" or "ports[1]".
	Field string
	// Problem says what is wrong and what to write instead.
	Problem string
}

// Error is "field: problem".
func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

const (
	durationMax  = 24 * time.Hour
	thresholdMax = 1000
	argsMax      = 4096
	envMax       = 4096
	pidsMax      = 4 << 20 // as many as Linux can have
	memoryMin    = 1 << 20
)

var (
	serviceName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	variableName = regexp.MustCompile(`^[A-Za-z_.-][A-Za-z0-9_.-]*$`)
	headerName   = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
)

// Validate returns all problems of c, joined, each a [*FieldError]; nil when there are none. It looks at c alone, not
// at the file system: see [Config.Check].
func (c Config) Validate() error {
	p := &problems{}
	if !serviceName.MatchString(c.Name) {
		p.add("name", "%q is not a service name: use letters, digits, '-', '_' and '.', at most 63, a letter or digit first", c.Name)
	}
	p.command("command", c.Command)
	if strings.ContainsRune(c.Dir, 0) {
		p.add("dir", "must not contain a NUL byte")
	}
	p.environment(c.Env)
	for i, file := range c.EnvFiles {
		if file == "" || strings.ContainsRune(file, 0) {
			p.add(fmt.Sprintf("envFiles[%d]", i), "%q is not a path", file)
		}
	}
	p.count("replicas", c.Replicas, ReplicasMax)
	p.ports(c.Ports)
	p.probe("startup", c.Startup, c.Ports)
	p.probe("readiness", c.Readiness, c.Ports)
	p.probe("liveness", c.Liveness, c.Ports)
	p.restart(c.Restart)
	p.rolling(c.Rolling)
	c.Budget.check(p)
	p.duration("grace", c.Grace)
	p.preStop("preStop", c.PreStop, c.Ports)
	p.log("log", c.Log)
	p.resources(c.Requests, c.Limits)
	return errors.Join(p.found...)
}

// problems collects what Validate finds.
type problems struct{ found []error }

func (p *problems) add(field, format string, args ...any) {
	p.found = append(p.found, &FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
}

func (p *problems) command(field string, argv []string) {
	switch {
	case len(argv) == 0:
		p.add(field, "is required: the program and its arguments, such as [./web, --port, $(PORT)]")
		return
	case argv[0] == "":
		p.add(field+"[0]", "the program must not be empty")
	case len(argv) > argsMax:
		p.add(field, "has %d arguments, at most %d are allowed", len(argv), argsMax)
	}
	for i, arg := range argv {
		if strings.ContainsRune(arg, 0) {
			p.add(fmt.Sprintf("%s[%d]", field, i), "must not contain a NUL byte")
		}
	}
}

func (p *problems) environment(env map[string]string) {
	if len(env) > envMax {
		p.add("env", "has %d variables, at most %d are allowed", len(env), envMax)
	}
	for _, name := range sortedKeys(env) {
		switch {
		case !variableName.MatchString(name):
			p.add("env."+name, "%q is not a variable name: use letters, digits, '_', '-' and '.', no digit first", name)
		case setByAfloat(name):
			p.add("env."+name, "is set by Afloat for each replica: choose another name, and use $(%s) where it is needed", name)
		}
		if strings.ContainsRune(env[name], 0) {
			p.add("env."+name, "must not contain a NUL byte")
		}
	}
}

func (p *problems) ports(ports []int) {
	if len(ports) > PortsMax {
		p.add("ports", "has %d ports, at most %d are allowed", len(ports), PortsMax)
	}
	for i, port := range ports {
		field := fmt.Sprintf("ports[%d]", i)
		if port < 1 || port > 65535 {
			p.add(field, "%d is not a port: use 1 to 65535", port)
		} else if slices.Index(ports, port) < i {
			p.add(field, "%d is declared twice: remove one", port)
		}
	}
}

func (p *problems) probe(field string, c *ProbeConfig, ports []int) {
	if c == nil {
		return
	}
	p.handler(field, c, ports)
	p.duration(field+".initialDelay", c.InitialDelay)
	p.duration(field+".period", c.Period)
	p.duration(field+".timeout", c.Timeout)
	p.duration(field+".grace", c.Grace)
	p.count(field+".successThreshold", c.SuccessThreshold, thresholdMax)
	p.count(field+".failureThreshold", c.FailureThreshold, thresholdMax)
	if field != "readiness" && c.SuccessThreshold > 1 {
		p.add(field+".successThreshold", "must be 1 for %s", field)
	}
	if field == "readiness" && c.Grace != 0 {
		p.add(field+".grace", "has no meaning here, since an unready replica is not stopped: remove it, or set it on liveness")
	}
}

func (p *problems) handler(field string, c *ProbeConfig, ports []int) {
	set := 0
	if c.HTTP != nil {
		set++
		p.httpProbe(field+".http", c.HTTP, ports)
	}
	if c.TCP != nil {
		set++
		p.declared(field+".tcp.port", c.TCP.Port, ports)
	}
	if c.Exec != nil {
		set++
		p.command(field+".exec.command", c.Exec.Command)
	}
	if c.GRPC != nil {
		set++
		p.declared(field+".grpc.port", c.GRPC.Port, ports)
	}
	if set != 1 {
		p.add(field, "has %d of http, tcp, exec and grpc: set exactly one", set)
	}
}

func (p *problems) resources(r ResourcesConfig, l LimitsConfig) {
	p.count("limits.pids", l.Pids, pidsMax)
	if l.CPU > 0 && r.CPU > l.CPU {
		p.add("requests.cpu", "%v is more than the limit, %v", r.CPU, l.CPU)
	}
	if l.Memory > 0 && r.Memory > l.Memory {
		p.add("requests.memory", "%v is more than the limit, %v", r.Memory, l.Memory)
	}
	if l.Memory > 0 && l.Memory < memoryMin {
		p.add("limits.memory", "%v is too little for any program: at least %v", l.Memory, Bytes(memoryMin))
	}
}

func (p *problems) log(field string, c *LogConfig) {
	if c == nil {
		return
	}
	if c.Path == "" || strings.ContainsRune(c.Path, 0) {
		p.add(field+".path", "%q is not a path: write where the file shall be", c.Path)
	}
	if c.SizeMax != 0 && c.SizeMax < lineMax {
		p.add(field+".sizeMax", "%v is less than a long line: at least %v", c.SizeMax, Bytes(lineMax))
	}
	p.count(field+".filesMax", c.FilesMax, logfile.FilesLimit)
	if c.AgeMax < 0 {
		p.add(field+".ageMax", "%v is negative", c.AgeMax)
	}
}

func (p *problems) preStop(field string, c *PreStopConfig, ports []int) {
	if c == nil {
		return
	}
	set := 0
	if c.Command != nil {
		set++
		p.command(field+".command", c.Command)
	}
	if c.HTTP != nil {
		set++
		p.httpProbe(field+".http", c.HTTP, ports)
	}
	if c.Sleep != 0 {
		set++
		p.duration(field+".sleep", c.Sleep)
	}
	if set != 1 {
		p.add(field, "has %d of command, http and sleep: set exactly one", set)
	}
}

func (p *problems) httpProbe(field string, c *HTTPProbe, ports []int) {
	if c.Path != "" && (!strings.HasPrefix(c.Path, "/") || strings.ContainsAny(c.Path, " \t\r\n\x00#")) {
		p.add(field+".path", "%q is not a path: begin with '/', and escape spaces", c.Path)
	}
	if c.Scheme != "" && c.Scheme != "http" && c.Scheme != "https" {
		p.add(field+".scheme", "%q is not known: use http or https", c.Scheme)
	}
	p.declared(field+".port", c.Port, ports)
	for _, name := range sortedKeys(c.Headers) {
		if !headerName.MatchString(name) {
			p.add(field+".headers."+name, "%q is not a header name", name)
		}
		if strings.ContainsAny(c.Headers[name], "\r\n\x00") {
			p.add(field+".headers."+name, "the value must be one line")
		}
	}
}

func (p *problems) declared(field string, port int, ports []int) {
	switch {
	case port == 0 || slices.Contains(ports, port):
	case len(ports) == 0:
		p.add(field, "port %d is not declared: add it to ports, or leave it out for the port that is handed out", port)
	default:
		p.add(field, "port %d is not declared: add it to ports, or use one of %v", port, ports)
	}
}

func (p *problems) restart(c RestartConfig) {
	switch c.Policy {
	case "", RestartAlways, RestartOnFailure, RestartNever:
	default:
		p.add("restart.policy", "%q is not known: use always, onFailure or never", string(c.Policy))
	}
	p.duration("restart.delayMin", c.DelayMin)
	p.duration("restart.delayMax", c.DelayMax)
	p.duration("restart.resetAfter", c.ResetAfter)
	if d := c.withDefaults(); d.DelayMin > d.DelayMax {
		p.add("restart.delayMin", "%v is longer than delayMax, %v", d.DelayMin, d.DelayMax)
	}
}

func (p *problems) rolling(c RollingConfig) {
	p.duration("rolling.minReady", c.MinReady)
	p.duration("rolling.progressDeadline", c.ProgressDeadline)
	d := c.withDefaults()
	unavailable, err := d.MaxUnavailable.Of(100, false)
	if err != nil {
		p.add("rolling.maxUnavailable", "%v", err)
	}
	surge, err2 := d.MaxSurge.Of(100, true)
	if err2 != nil {
		p.add("rolling.maxSurge", "%v", err2)
	} else if surge > ReplicasMax {
		p.add("rolling.maxSurge", "%d is too many: at most %d", surge, ReplicasMax)
	}
	if err == nil && err2 == nil && unavailable == 0 && surge == 0 {
		p.add("rolling.maxUnavailable", "must not be 0 when maxSurge is 0 too: no replica could ever be replaced")
	}
	if d.MinReady >= d.ProgressDeadline {
		p.add("rolling.minReady", "%v is not shorter than progressDeadline, %v: every rollout would stall", d.MinReady, d.ProgressDeadline)
	}
}

func (p *problems) duration(field string, d time.Duration) {
	if d < 0 {
		p.add(field, "%v is negative", d)
	} else if d > durationMax {
		p.add(field, "%v is too long: at most %v", d, durationMax)
	}
}

func (p *problems) count(field string, n, most int) {
	if n < 0 {
		p.add(field, "%d is negative", n)
	} else if n > most {
		p.add(field, "%d is too many: at most %d", n, most)
	}
}

// setByAfloat reports whether a variable is one that each replica gets from Afloat.
func setByAfloat(name string) bool {
	return name == markerName || name == "PORT" || strings.HasPrefix(name, "PORT_") && isNumber(name[len("PORT_"):])
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
