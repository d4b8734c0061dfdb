package scale

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Scaler decides for one service. It remembers what it has recommended and what
// was done, for as long as windows and policies reach back.
type Scaler struct {
	config Config
	past   []recommendation
	ups    []change
	downs  []change
}

type recommendation struct {
	at       time.Time
	replicas int
}

// change is by how many replicas the number has changed.
type change struct {
	at time.Time
	by int
}

// pastMax bounds what is remembered, at one decision in 15 s for an hour many
// times over.
const pastMax = 4096

// New returns a Scaler, or the problems of its Config.
func New(c Config) (*Scaler, error) {
	s := new(Scaler)
	return s, s.Set(c)
}

// Set puts another Config in force and keeps what is remembered.
func (s *Scaler) Set(c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	s.config = c.WithDefaults()
	return nil
}

// Step decides. Times of views do not go back.
func (s *Scaler) Step(v View) Decision {
	c := s.config
	d := Decision{Replicas: v.Wanted, Figures: c.figures(v)}
	switch {
	case v.Wanted == 0:
		d.Why = "scaled to 0 by hand: it is left alone"
		return d
	case v.Wanted > c.Max:
		d.Replicas, d.Why = c.Max, fmt.Sprintf("%d replicas are more than max", v.Wanted)
	case v.Wanted < c.Min:
		d.Replicas, d.Why = c.Min, fmt.Sprintf("%d replicas are fewer than min", v.Wanted)
	default:
		raw, ok := d.pick(v.Wanted)
		if !ok {
			return d
		}
		d.Replicas = raw
		s.stabilize(v, &d)
		s.restrain(v, &d)
	}
	s.note(v, d.Replicas)
	return d
}

// figures are what each figure says.
func (c Config) figures(v View) []Figure {
	var all []Figure
	if c.CPU != nil {
		all = append(all, c.resource(v, "cpu", *c.CPU, c.Requests.CPU, func(u Usage) float64 { return u.CPU }))
	}
	if c.Memory != nil {
		all = append(all, c.resource(v, "memory", *c.Memory, c.Requests.Memory, func(u Usage) float64 { return u.Memory }))
	}
	for i, m := range c.Metrics {
		read := Reading{Err: fmt.Errorf("not read")}
		if i < len(v.Metrics) {
			read = v.Metrics[i]
		}
		all = append(all, c.metric(v, m, read))
	}
	return all
}

// pick takes the most that a figure wants. A figure without a value keeps the
// number from falling, and where none has one from changing.
func (d *Decision) pick(wanted int) (replicas int, ok bool) {
	var whys, problems []string
	replicas = -1
	for _, f := range d.Figures {
		if f.Problem != "" {
			problems = append(problems, f.Name+": "+f.Problem)
			continue
		}
		if f.Replicas > replicas {
			replicas = f.Replicas
			whys = []string{fmt.Sprintf("%s is %s for a target of %s, which takes %d", f.Name, number(f.Value), number(f.Target), f.Replicas)}
		}
	}
	d.Why = strings.Join(append(whys, problems...), "; ")
	if replicas < 0 || len(problems) > 0 && replicas < wanted {
		d.Limit = "a figure is missing"
		return wanted, false
	}
	return replicas, true
}

// stabilize takes the most cautious of the recommendations in the windows.
func (s *Scaler) stabilize(v View, d *Decision) {
	up, down := d.Replicas, d.Replicas
	if len(s.past) == 0 {
		// Nobody knows what was recommended before: what runs may have been.
		s.past = append(s.past, recommendation{v.Now, v.Wanted})
	}
	upFrom, downFrom := v.Now.Add(-*s.config.Up.Window), v.Now.Add(-*s.config.Down.Window)
	longest := max(*s.config.Up.Window, *s.config.Down.Window)
	kept := s.past[:0]
	for _, r := range s.past {
		if r.at.After(upFrom) {
			up = min(up, r.replicas)
		}
		if r.at.After(downFrom) {
			down = max(down, r.replicas)
		}
		if v.Now.Sub(r.at) < longest {
			kept = append(kept, r)
		}
	}
	if s.past = append(kept, recommendation{v.Now, d.Replicas}); len(s.past) > pastMax {
		s.past = s.past[len(s.past)-pastMax:]
	}
	stable, window := min(max(v.Wanted, up), down), s.config.Down.Window
	if stable < d.Replicas {
		window = s.config.Up.Window
	}
	if stable != d.Replicas {
		d.Limit = fmt.Sprintf("not %d yet: the recommendations of the last %v count", d.Replicas, *window)
	}
	d.Replicas = stable
}

// restrain keeps the change within the policies and the number within its
// bounds.
func (s *Scaler) restrain(v View, d *Decision) {
	switch wanted := d.Replicas; {
	case wanted > v.Wanted:
		allowed := max(s.bound(v, s.config.Up, 1), v.Wanted)
		d.Replicas = min(wanted, s.config.Max, allowed)
		d.limit(wanted, s.config.Max, "max")
	case wanted < v.Wanted:
		allowed := min(s.bound(v, s.config.Down, -1), v.Wanted)
		d.Replicas = max(wanted, s.config.Min, allowed)
		d.limit(wanted, s.config.Min, "min")
	}
}

// limit says why it is not the number wanted.
func (d *Decision) limit(wanted, bound int, name string) {
	switch d.Replicas {
	case wanted:
	case bound:
		d.Limit = fmt.Sprintf("not %d: %s is %d", wanted, name, bound)
	default:
		d.Limit = fmt.Sprintf("not %d at once: the policies allow %d", wanted, d.Replicas)
	}
}

// bound is how far the policies of a direction allow the number to go.
func (s *Scaler) bound(v View, r Rules, sign int) int {
	if r.Select == SelectDisabled {
		return v.Wanted
	}
	bound, first := 0, true
	for _, p := range r.Policies {
		began := v.Wanted - sum(s.ups, v.Now.Add(-p.Period)) + sum(s.downs, v.Now.Add(-p.Period))
		to := began + sign*p.Replicas
		if p.Percent > 0 {
			share := float64(began) * (1 + float64(sign*p.Percent)/100)
			if to = ceil(share); sign < 0 {
				to = int(math.Floor(share + 1e-9))
			}
		}
		// The farthest is the highest going up and the lowest going down.
		farther := sign*to > sign*bound
		if first || farther == (r.Select == SelectMax) {
			bound, first = to, false
		}
	}
	return bound
}

func sum(changes []change, after time.Time) int {
	n := 0
	for _, c := range changes {
		if c.at.After(after) {
			n += c.by
		}
	}
	return n
}

// note remembers what is done.
func (s *Scaler) note(v View, replicas int) {
	s.ups, s.downs = recent(s.ups, v.Now), recent(s.downs, v.Now)
	switch by := replicas - v.Wanted; {
	case by > 0:
		s.ups = append(s.ups, change{v.Now, by})
	case by < 0:
		s.downs = append(s.downs, change{v.Now, -by})
	}
}

func recent(changes []change, now time.Time) []change {
	kept := changes[:0]
	for _, c := range changes {
		if now.Sub(c.at) <= periodMax {
			kept = append(kept, c)
		}
	}
	return kept
}
