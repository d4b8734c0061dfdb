package supervise

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// WithDefaults is c with every default written out. It shares nothing with c that could be changed.
func (c Config) WithDefaults() Config {
	c.Command, c.Ports, c.Env = slices.Clone(c.Command), slices.Clone(c.Ports), maps.Clone(c.Env)
	if len(c.Env) == 0 {
		c.Env = nil
	}
	if len(c.Ports) == 0 {
		c.Ports = nil
	}
	c.EnvFiles = slices.Clone(c.EnvFiles)
	if len(c.EnvFiles) == 0 {
		c.EnvFiles = nil
	}
	c.PreStop = c.PreStop.withDefaults()
	c.Log = c.Log.withDefaults()
	c.Replicas = cmp.Or(c.Replicas, 1)
	c.Grace = cmp.Or(c.Grace, 30*time.Second)
	c.Startup = c.Startup.withDefaults(c.Grace)
	c.Readiness = c.Readiness.withDefaults(0) // it stops nothing
	c.Liveness = c.Liveness.withDefaults(c.Grace)
	c.Restart = c.Restart.withDefaults()
	c.Rolling = c.Rolling.withDefaults()
	return c
}

func (c *ProbeConfig) withDefaults(grace time.Duration) *ProbeConfig {
	if c == nil {
		return nil
	}
	d := *c
	d.Exec = d.Exec.clone()
	if d.TCP != nil {
		tcp := *d.TCP
		d.TCP = &tcp
	}
	if d.GRPC != nil {
		grpc := *d.GRPC
		d.GRPC = &grpc
	}
	d.Period = cmp.Or(d.Period, 10*time.Second)
	d.Timeout = cmp.Or(d.Timeout, time.Second)
	d.SuccessThreshold = cmp.Or(d.SuccessThreshold, 1)
	d.FailureThreshold = cmp.Or(d.FailureThreshold, 3)
	d.Grace = cmp.Or(d.Grace, grace)
	d.HTTP = d.HTTP.withDefaults()
	return &d
}

func (c *HTTPProbe) withDefaults() *HTTPProbe {
	if c == nil {
		return nil
	}
	d := *c
	d.Headers = maps.Clone(c.Headers)
	d.Path = cmp.Or(c.Path, "/")
	d.Scheme = cmp.Or(c.Scheme, "http")
	return &d
}

func (c *LogConfig) withDefaults() *LogConfig {
	if c == nil {
		return nil
	}
	d := *c
	d.SizeMax = cmp.Or(d.SizeMax, 10<<20)
	d.FilesMax = cmp.Or(d.FilesMax, 5)
	return &d
}

func (c *PreStopConfig) withDefaults() *PreStopConfig {
	if c == nil {
		return nil
	}
	return &PreStopConfig{Command: slices.Clone(c.Command), HTTP: c.HTTP.withDefaults(), Sleep: c.Sleep}
}

func (c *ExecConfig) clone() *ExecConfig {
	if c == nil {
		return nil
	}
	return &ExecConfig{Command: slices.Clone(c.Command)}
}

func (c RestartConfig) withDefaults() RestartConfig {
	c.Policy = cmp.Or(c.Policy, RestartAlways)
	c.DelayMin = cmp.Or(c.DelayMin, 100*time.Millisecond)
	c.DelayMax = cmp.Or(c.DelayMax, 30*time.Second)
	c.ResetAfter = cmp.Or(c.ResetAfter, 10*time.Second)
	return c
}

func (c RollingConfig) withDefaults() RollingConfig {
	c.MaxUnavailable = cmp.Or(c.MaxUnavailable, "25%")
	c.MaxSurge = cmp.Or(c.MaxSurge, "25%")
	c.ProgressDeadline = cmp.Or(c.ProgressDeadline, 10*time.Minute)
	return c
}

// Revision names the template of c, which is all but how many replicas there are and how they are replaced: two Configs
// of one revision run the same processes in the same way.
func (c Config) Revision() string {
	c = c.WithDefaults()
	c.Replicas, c.Rolling, c.Budget = 0, RollingConfig{}, BudgetConfig{}
	text, err := json.Marshal(c)
	if err != nil {
		panic("supervise: a Config has only plain values: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:4])
}
