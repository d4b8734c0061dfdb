package scale

import (
	"fmt"
	"math"
	"time"
)

// Settings of the controller manager of Kubernetes, with their defaults.
const (
	// cpuSettles is for how long after a start the CPU of a replica counts only
	// once it has been measured while it was ready.
	cpuSettles = 5 * time.Minute
	// firstReady is until when after its start a replica that became unready has
	// never been ready.
	firstReady = 30 * time.Second
)

// tolerated reports whether a ratio of value and target is close enough to one.
func (c Config) tolerated(ratio float64) bool {
	return ratio >= 1-*c.Down.Tolerance && ratio <= 1+*c.Up.Tolerance
}

// each decides by a value that each replica has, by the rules of Kubernetes for
// what is not known: replicas that are not ready use nothing yet, and one that
// nobody has measured uses what would keep the number from changing.
type each struct {
	target  float64
	missing float64 // what one that was not measured uses when there may be fewer
	known   map[int]float64
	unready map[int]bool
	lost    map[int]bool // not measured
}

// ratio is how the average relates to the target.
func (e *each) ratio(values map[int]float64) float64 {
	sum := 0.
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values)) / e.target
}

// replicas returns how many it takes, and the average of those that are known.
func (e *each) replicas(c Config, wanted int) (n int, average float64, err error) {
	if len(e.known) == 0 {
		return 0, 0, fmt.Errorf("no replica that is ready has been measured")
	}
	first := e.ratio(e.known)
	average = first * e.target
	more := first > 1
	if len(e.lost) == 0 && (len(e.unready) == 0 || !more) {
		if c.tolerated(first) {
			return wanted, average, nil
		}
		return ceil(first * float64(len(e.known))), average, nil
	}
	all := map[int]float64{}
	for i, v := range e.known {
		all[i] = v
	}
	for i := range e.lost {
		if all[i] = e.missing; more {
			all[i] = 0
		}
	}
	if more {
		for i := range e.unready {
			all[i] = 0
		}
	}
	again := e.ratio(all)
	if c.tolerated(again) || (again > 1) != more {
		return wanted, average, nil
	}
	n = ceil(again * float64(len(all)))
	if again < 1 && n > wanted || again > 1 && n < wanted {
		return wanted, average, nil
	}
	return n, average, nil
}

// ceil rounds a number of replicas up, but does not take what rounding added for
// one more. No figure can ask for fewer than none or for more than there may be.
func ceil(x float64) int { return int(math.Ceil(min(max(x, 0), ReplicasMax) - 1e-9)) }

// resource decides by the CPU or the memory of replicas.
func (c Config) resource(v View, name string, target Amount, request float64, of func(Usage) float64) Figure {
	goal := target.Value
	if target.Percent {
		goal *= request
	}
	missing := goal
	if target.Percent {
		missing = max(goal, request)
	}
	e := each{target: goal, missing: missing, known: map[int]float64{}, unready: map[int]bool{}, lost: map[int]bool{}}
	for i, r := range v.Replicas {
		switch {
		case r.Gone:
		case r.Started.IsZero():
			e.unready[i] = true
		case r.Used == nil:
			e.lost[i] = true
		case name == "cpu" && r.cold(v.Now):
			e.unready[i] = true
		default:
			e.known[i] = of(*r.Used)
		}
	}
	f := Figure{Name: name, Target: goal}
	var err error
	if f.Replicas, f.Value, err = e.replicas(c, v.Wanted); err != nil {
		f.Problem = err.Error()
	}
	return f
}

// cold reports whether the CPU that a replica used says nothing yet: it is what a
// start takes, not what requests do.
func (r Replica) cold(now time.Time) bool {
	if now.Sub(r.Started) < cpuSettles {
		return !r.Ready || r.Used.At.Before(r.Changed.Add(r.Used.Over))
	}
	return !r.Ready && r.Changed.Sub(r.Started) < firstReady
}

// metric decides by another figure.
func (c Config) metric(v View, m Metric, read Reading) Figure {
	f := Figure{Name: m.Name, Target: m.Value + m.PerReplica + m.Each}
	if f.Name == "" {
		f.Name = m.Query
	}
	if read.Err != nil {
		f.Problem = read.Err.Error()
		return f
	}
	if m.Each > 0 {
		return c.metricOfEach(v, m, read, f)
	}
	ready := 0
	for _, r := range v.Replicas {
		if r.Ready && !r.Gone {
			ready++
		}
	}
	if ready == 0 && m.Value > 0 {
		f.Problem = "no replica is ready"
		return f
	}
	ready = min(ready, max(v.Wanted, 1)) // while a release is under way there are more, which share the same load
	f.Value = read.Sum
	ratio, needed := read.Sum/m.Value, 0
	if m.PerReplica > 0 {
		f.Value = read.Sum / float64(max(v.Wanted, 1))
		ratio, needed = read.Sum/(m.PerReplica*float64(max(v.Wanted, 1))), ceil(read.Sum/m.PerReplica)
	} else {
		needed = ceil(ratio * float64(ready))
	}
	if f.Replicas = needed; c.tolerated(ratio) {
		f.Replicas = v.Wanted
	}
	return f
}

func (c Config) metricOfEach(v View, m Metric, read Reading, f Figure) Figure {
	e := each{target: m.Each, missing: m.Each, known: map[int]float64{}, unready: map[int]bool{}, lost: map[int]bool{}}
	for i, r := range v.Replicas {
		value, ok := read.Each[r.Endpoint]
		switch {
		case r.Gone:
		case r.Started.IsZero():
			e.unready[i] = true
		case !ok:
			e.lost[i] = true
		default:
			e.known[i] = value
		}
	}
	var err error
	if f.Replicas, f.Value, err = e.replicas(c, v.Wanted); err != nil {
		f.Problem = err.Error()
	}
	return f
}
