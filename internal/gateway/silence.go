package gateway

import (
	"fmt"
	"math"
	"time"
)

const (
	// hangMin is how long an endpoint must have been silent to be taken for hung.
	hangMin = 250 * time.Millisecond
	// silenceInterval is how often endpoints that are in doubt are listened to.
	silenceInterval = 25 * time.Millisecond
	// sureFor is how long it counts that one in doubt answered for its health.
	sureFor = time.Second
)

// doubts are the endpoints that owe answers, and what is known of each.
type doubts map[*endpoint]*doubt

// doubt is what an endpoint said of its health while it answered no request.
type doubt struct {
	asked  time.Time  // zero: it was not
	answer chan error // is given once
	well   bool       // it said so
}

// doubt has the service's endpoints listened to soon.
func (s *service) doubt() {
	select {
	case s.doubted <- struct{}{}:
	default:
	}
}

// listen ejects endpoints that have become silent while the others answer.
func (s *service) listen(samples []sample, known doubts, c *ServiceConfig) {
	used := 0
	for i := range samples {
		v := &samples[i]
		v.silent = v.endpoint.silent()
		v.owing, v.owed = v.endpoint.owing()
		v.inVain = v.endpoint.unanswered.Load() > 0
		if v.endpoint.undoubted() {
			used++
		}
	}
	room := ejectable(len(*s.endpoints.Load()), used, float64(c.Outlier.EjectedMax))
	for i := range samples {
		v := &samples[i]
		if v.owed == 0 || v.owing <= hangMin/2 || !v.endpoint.undoubted() {
			delete(known, v.endpoint)
			continue
		}
		patience := v.patience(samples, i)
		if v.owing <= patience/2 {
			delete(known, v.endpoint)
			continue
		}
		if v.owed < fewest && !v.inVain {
			patience *= 4 // it may just be long
		}
		d := known[v.endpoint]
		if d == nil {
			d = new(doubt)
			known[v.endpoint] = d
		}
		if d.hangs(v, c.Health) && v.owing > patience && room > 0 {
			room--
			v.hangs = true
			v.why = fmt.Sprintf("it has %d requests and has not answered for %v, while the others do", v.owed, v.owing.Round(time.Millisecond))
			s.eject(*v)
			delete(known, v.endpoint)
		}
	}
	for e := range known {
		if len(samples) == 0 || !e.undoubted() {
			delete(known, e)
		}
	}
}

// patience is how long the endpoint may be silent: for ever where the others are
// silent too, or have nothing to do. Where requests are long by nature, as in
// long polling, the others hold as many of them as it does.
func (v *sample) patience(samples []sample, at int) time.Duration {
	silent, holding, tries := time.Duration(math.MaxInt64), time.Duration(0), uint64(0)
	for i, o := range samples {
		if i != at {
			silent = min(silent, o.silent)
			holding += time.Duration(o.owed) * o.span
			tries += o.tries
		}
	}
	if tries == 0 || silent >= hangMin/2 || v.owing <= worse*silent {
		return math.MaxInt64
	}
	held := holding / time.Duration(tries) // a request, by Little's law
	return max(hangMin, 8*v.mean, 8*held)
}

// hangs reports whether it is no long request or two for which the endpoint is
// silent. Where it has a path for its health, it is asked for that: nothing else
// tells the difference with one or two requests. One that does its requests one
// after the other answers that late, too; where tries have ended in vain already,
// that is no excuse.
func (d *doubt) hangs(v *sample, c HealthConfig) bool {
	if !c.asks() {
		return v.owed >= fewest
	}
	e := v.endpoint
	if d.asked.IsZero() || d.well && time.Since(d.asked) > sureFor {
		*d = doubt{asked: time.Now(), answer: make(chan error, 1)}
		go func() { d.answer <- e.check(e.service.ctx, c) }()
		return false
	}
	if d.well {
		return false
	}
	select {
	case err := <-d.answer:
		d.well = err == nil || e.service.lag.stalledSince(d.asked, time.Now())
		return !d.well
	default:
		return time.Since(d.asked) > 2*hangMin || v.inVain && time.Since(d.asked) > hangMin/2
	}
}
