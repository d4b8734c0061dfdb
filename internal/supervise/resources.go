package supervise

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// ResourcesConfig are amounts of what a replica uses.
type ResourcesConfig struct {
	// CPU is how many processors; fractions are written as 0.5 or 500m.
	CPU Cores `yaml:"cpu,omitempty"`
	// Memory is in bytes, such as 512Mi.
	Memory Bytes `yaml:"memory,omitempty"`
}

// LimitsConfig is what a replica may use at most, with all that it starts. Zero is no limit. Limits are kept by cgroups
// v2: see [Options].Limits for where there are none.
type LimitsConfig struct {
	// CPU is how many processors' time it gets; fractions are written as 0.5 or 500m. It is slowed down beyond.
	CPU Cores `yaml:"cpu,omitempty"`
	// Memory in bytes, such as 512Mi. Beyond, all of the replica is killed.
	Memory Bytes `yaml:"memory,omitempty"`
	// Pids is how many processes and threads there may be. Beyond, it can start no more.
	Pids int `yaml:"pids,omitempty"`
}

// Cores is a number of processors.
type Cores float64

const coresMax = 4096

// UnmarshalText reads a number, with an m for thousandths.
func (c *Cores) UnmarshalText(text []byte) error {
	number, factor := string(text), 1.0
	if n := len(number); n > 0 && number[n-1] == 'm' {
		number, factor = number[:n-1], 1e-3
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || !(value >= 0) || value*factor > coresMax {
		return fmt.Errorf("want a number of processors such as 0.5, 500m or 2, got %q", text)
	}
	*c = Cores(value * factor)
	return nil
}

// String is the number of processors.
func (c Cores) String() string { return strconv.FormatFloat(float64(c), 'f', -1, 64) }

// MarshalText is String.
func (c Cores) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// SchemaYAML is a number, or text with an m.
func (Cores) SchemaYAML() map[string]any { return map[string]any{"type": []string{"string", "number"}} }

// LimitMode says what becomes of a limit that this machine cannot keep.
type LimitMode string

// The modes.
const (
	LimitsWarn    LimitMode = "warn"    // the replica runs without it, and the log says so
	LimitsRequire LimitMode = "require" // the replica does not start
)

// Enum lists what a configuration file may say.
func (LimitMode) Enum() []string { return []string{string(LimitsWarn), string(LimitsRequire)} }

// Periods of the CPU controller in microseconds, as Kubernetes has them.
const (
	cpuPeriod   = 100_000
	cpuQuotaMin = 1000
)

// setting is a file of a control group and what is to be in it.
type setting struct {
	field, controller, file, value string
	asked                          bool // a request: without it, nothing is promised that is not kept
}

// settings are what a Config's requests and limits come to.
func (c Config) settings() []setting {
	var out []setting
	if l := c.Limits; l.CPU > 0 {
		quota := max(int64(math.Ceil(float64(l.CPU)*cpuPeriod)), cpuQuotaMin)
		out = append(out, setting{field: "limits.cpu", controller: "cpu", file: "cpu.max", value: fmt.Sprintf("%d %d", quota, cpuPeriod)})
	}
	if l := c.Limits; l.Memory > 0 {
		out = append(out, setting{field: "limits.memory", controller: "memory", file: "memory.max", value: strconv.FormatInt(int64(l.Memory), 10)})
	}
	if l := c.Limits; l.Pids > 0 {
		out = append(out, setting{field: "limits.pids", controller: "pids", file: "pids.max", value: strconv.Itoa(l.Pids)})
	}
	if r := c.Requests; r.CPU > 0 {
		out = append(out, setting{field: "requests.cpu", controller: "cpu", file: "cpu.weight", value: strconv.Itoa(weight(r.CPU)), asked: true})
	}
	if r := c.Requests; r.Memory > 0 {
		out = append(out, setting{field: "requests.memory", controller: "memory", file: "memory.low", value: strconv.FormatInt(int64(r.Memory), 10), asked: true})
	}
	return out
}

// weight is the share of a CPU request among others where there are too few processors, from 1 to 10000, as the kubelet
// reckons it.
func weight(c Cores) int {
	shares := min(max(int(float64(c)*1024), 2), 262144)
	return 1 + (shares-2)*9999/262142
}

// Unkept are the limits of c that this machine cannot keep, each a [*FieldError] that says why. It makes no groups, so
// that what passes may still fail.
func (c Config) Unkept() []error {
	p := &problems{}
	own, err := ownGroup()
	here := words(own + "/cgroup.controllers")
	for _, s := range c.settings() {
		g := &groups{dir: own + "/x", controllers: here}
		if err != nil {
			g = &groups{why: err.Error()}
		}
		if why := g.lacks(s.controller); why != "" && !s.asked {
			p.add(s.field, "cannot be kept: %s", why)
		}
	}
	return p.found
}

// limit applies requests and limits. The error names the limits that cannot be kept.
func (g *group) limit(c Config, all *groups) error {
	var failed []error
	for _, s := range c.settings() {
		why := all.lacks(s.controller)
		if why == "" {
			if err := g.set(s.file, s.value); err != nil {
				why = err.Error()
			}
		}
		if why != "" && !s.asked {
			failed = append(failed, &FieldError{Field: s.field, Problem: "cannot be kept: " + why})
		}
	}
	if g != nil && c.Limits.Memory > 0 {
		_ = g.set("memory.swap.max", "0")  // where there is swap: else the limit would only move it there
		_ = g.set("memory.oom.group", "1") // half of a replica is of no use
	}
	return errors.Join(failed...)
}
