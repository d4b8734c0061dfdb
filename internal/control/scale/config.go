package scale

import (
	"errors"
	"fmt"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// Config is when a service gets more replicas, and when fewer. Zero fields take
// the default beside them, which is that of Kubernetes.
type Config struct {
	// Min is how many replicas there are at least. Default 1.
	Min int `yaml:"min"`
	// Max is how many there are at most. Required.
	Max int `yaml:"max" required:"true"`
	// CPU is what a replica should use on average: of a processor, such as 0.5
	// or 500m, or in percent of what the process requests. Default, where
	// nothing else is to be scaled by and the process requests a CPU: 80%.
	CPU *Amount `yaml:"cpu"`
	// Memory is the same of memory, such as 300Mi or 75%. Default: it plays no
	// part.
	Memory *Amount `yaml:"memory"`
	// Metrics are other figures to scale by. Of all figures, the one that wants
	// the most replicas decides.
	Metrics []Metric `yaml:"metrics"`
	// Up is how fast there may be more.
	Up Rules `yaml:"up"`
	// Down is how fast there may be fewer.
	Down Rules `yaml:"down"`
	// Requests are what the process asks for of this machine: what percentages
	// are of. Zero where it asks for nothing.
	Requests Usage `yaml:"-"`
}

// Metric is a figure of which there should be so much.
type Metric struct {
	// Name is what decisions call it. Default: the query.
	Name string `yaml:"name"`
	// Query is an expression in PromQL. The values of all its series are added.
	Query string `yaml:"query" required:"true"`
	// Value is what it should come to. One of Value, PerReplica and Each is set.
	Value float64 `yaml:"value"`
	// PerReplica is what it should come to for each replica: the sum is divided
	// by their number.
	PerReplica float64 `yaml:"perReplica"`
	// Each is what each replica should have on average, by series whose label
	// endpoint is the replica's address. One without a series is taken to have
	// none when there may be more replicas, and enough when there may be fewer.
	Each float64 `yaml:"each"`
}

// String says what is wanted of the figure.
func (m Metric) String() string {
	name := m.Name
	if name == "" {
		name = m.Query
	}
	switch {
	case m.Value > 0:
		return fmt.Sprintf("%s of %s", number(m.Value), name)
	case m.PerReplica > 0:
		return fmt.Sprintf("%s of %s for each", number(m.PerReplica), name)
	}
	return fmt.Sprintf("%s of its own %s for each", number(m.Each), name)
}

// Rules are how fast the number of replicas may change in one direction.
type Rules struct {
	// Window is over which time the most cautious of the recommendations
	// counts. Default none for up, 5m for down.
	Window *time.Duration `yaml:"window"`
	// Select is which of the policies counts: the one that allows most (max) or
	// least (min), or disabled: no change in this direction. Default max.
	Select Select `yaml:"select"`
	// Policies bound the change. Default for up: 4 replicas or 100 percent in
	// 15s; for down: 100 percent in 15s.
	Policies []Policy `yaml:"policies"`
	// Tolerance is how far off, as a share, a figure may be without a change.
	// Default 0.1.
	Tolerance *float64 `yaml:"tolerance"`
}

// Policy bounds how much the number of replicas changes in a time. One of
// Replicas and Percent is set.
type Policy struct {
	// Replicas is by how many.
	Replicas int `yaml:"replicas"`
	// Percent is by how many of a hundred.
	Percent int `yaml:"percent"`
	// Period is the time, at most 30m. Required.
	Period time.Duration `yaml:"period" required:"true"`
}

// Select is which of several policies counts.
type Select string

// The ways to select.
const (
	SelectMax      Select = "max"
	SelectMin      Select = "min"
	SelectDisabled Select = "disabled"
)

// Enum lists what a configuration file may say.
func (Select) Enum() []string { return []string{"max", "min", "disabled"} }

// Limits of a Config.
const (
	ReplicasMax = 1000
	metricsMax  = 20
	policiesMax = 10
	windowMax   = time.Hour
	periodMax   = 30 * time.Minute
)

// Validate returns a [policy.FieldError] for each field that cannot be used,
// joined.
func (c Config) Validate() error {
	var p problems
	p.unless(c.Max >= 1 && c.Max <= ReplicasMax, "max", "want 1 to %d, got %d", ReplicasMax, c.Max)
	p.unless(c.Min >= 0 && (c.Min <= c.Max || c.Max < 1), "min", "want 0 to max, which is %d, got %d", c.Max, c.Min)
	if c.CPU == nil && c.Memory == nil && len(c.Metrics) == 0 {
		p.unless(c.Requests.CPU > 0, "cpu", "want cpu, memory or metrics: nothing says when there are to be more replicas")
	}
	c.CPU.check(&p, "cpu", "cpu", c.Requests.CPU)
	c.Memory.check(&p, "memory", "memory", c.Requests.Memory)
	p.unless(len(c.Metrics) <= metricsMax, "metrics", "want at most %d, got %d", metricsMax, len(c.Metrics))
	for i, m := range c.Metrics {
		m.check(&p, fmt.Sprintf("metrics[%d]", i))
	}
	c.Up.check(&p, "up.")
	c.Down.check(&p, "down.")
	return errors.Join(p...)
}

func (a *Amount) check(p *problems, field, resource string, request float64) {
	if a == nil {
		return
	}
	p.unless(a.Value > 0, field, "want more than 0")
	p.unless(!a.Percent || request > 0, field, "is a percentage of what the process requests, and it requests no %s: write requests: {%s: ...} below process, or an amount here", resource, resource)
}

func (m Metric) check(p *problems, at string) {
	p.unless(m.Query != "", at+".query", "want an expression in PromQL")
	set := 0
	for _, target := range []float64{m.Value, m.PerReplica, m.Each} {
		if target != 0 {
			set++
		}
		p.unless(target >= 0, at, "want a target above 0, got %v", target)
	}
	p.unless(set == 1, at, "want one of value, perReplica and each")
}

func (r Rules) check(p *problems, at string) {
	p.unless(r.Window == nil || *r.Window >= 0 && *r.Window <= windowMax, at+"window", "want 0s to %v", windowMax)
	p.unless(r.Tolerance == nil || *r.Tolerance >= 0 && *r.Tolerance < 1, at+"tolerance", "want 0 to below 1")
	p.unless(r.Select == "" || r.Select == SelectMax || r.Select == SelectMin || r.Select == SelectDisabled, at+"select", "want max, min or disabled, got %q", r.Select)
	p.unless(len(r.Policies) <= policiesMax, at+"policies", "want at most %d, got %d", policiesMax, len(r.Policies))
	for i, q := range r.Policies {
		here := fmt.Sprintf("%spolicies[%d]", at, i)
		p.unless(q.Replicas >= 0 && q.Percent >= 0 && (q.Replicas > 0) != (q.Percent > 0), here, "want one of replicas and percent, 1 or more")
		p.unless(q.Period > 0 && q.Period <= periodMax, here+".period", "want more than 0s, at most %v, got %v", periodMax, q.Period)
	}
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c Config) WithDefaults() Config {
	c.Min = max(c.Min, 1)
	if c.CPU == nil && c.Memory == nil && len(c.Metrics) == 0 && c.Requests.CPU > 0 {
		c.CPU = &Amount{Value: 0.8, Percent: true}
	}
	c.Up = c.Up.withDefaults(0, []Policy{{Replicas: 4, Period: 15 * time.Second}, {Percent: 100, Period: 15 * time.Second}})
	c.Down = c.Down.withDefaults(5*time.Minute, []Policy{{Percent: 100, Period: 15 * time.Second}})
	return c
}

func (r Rules) withDefaults(window time.Duration, policies []Policy) Rules {
	if r.Window == nil {
		r.Window = &window
	}
	if r.Select == "" {
		r.Select = SelectMax
	}
	if len(r.Policies) == 0 {
		r.Policies = policies
	}
	if r.Tolerance == nil {
		tenth := 0.1
		r.Tolerance = &tenth
	}
	return r
}

// problems collects every FieldError of a Config.
type problems []error

func (p *problems) unless(ok bool, field, format string, args ...any) {
	if !ok {
		*p = append(*p, &policy.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
}
