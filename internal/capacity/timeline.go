package capacity

import "time"

// A timeline is a ring of the newest TicksMax ticks. It grows as time passes,
// and a tick without requests takes no more than its empty tally.
type timeline struct {
	ring []tally
	end  int // the tick after the newest
}

// begin returns the oldest tick still held.
func (l *timeline) begin() int { return max(l.end-TicksMax, 0) }

// at returns a tick, or nil if it is forgotten or still to come.
func (l *timeline) at(tick int) *tally {
	if tick < l.begin() || tick >= l.end {
		return nil
	}
	return &l.ring[tick%TicksMax]
}

// reach moves the timeline on to a tick, if it is new, and returns it; nil if
// it is forgotten.
func (l *timeline) reach(tick int) *tally {
	if tick-l.end >= TicksMax { // everything held is older than the ring now
		clear(l.ring)
		l.end = tick - TicksMax + 1
		l.ring = append(l.ring, make([]tally, TicksMax-len(l.ring))...)
	}
	for ; l.end <= tick; l.end++ {
		if l.end < TicksMax && l.end == len(l.ring) {
			l.ring = append(l.ring, tally{})
			continue
		}
		l.ring[l.end%TicksMax] = tally{}
	}
	return l.at(tick)
}

// merged sums the ticks from a first one up to an end.
func (l *timeline) merged(first, end int) *tally {
	sum := new(tally)
	for i := first; i < end; i++ {
		if t := l.at(i); t != nil {
			sum.merge(t)
		}
	}
	return sum
}

// Timeline returns the figures of every step since the Recorder was made, as
// far back as it remembers, oldest first. A step is a whole number of ticks, at
// least one; the remainder is dropped. The last step may still be filling, and
// steps with Pending requests are not final.
func (r *Recorder) Timeline(step time.Duration) []Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.ticks.reach(r.tickOf(now))
	each := max(int(step/Tick), 1)
	first := (r.ticks.begin() + each - 1) / each * each
	all := make([]Stats, 0, (r.ticks.end-first)/each+1)
	for i := first; i < r.ticks.end; i += each {
		start := r.start.Add(time.Duration(i) * Tick)
		length := min(time.Duration(each)*Tick, now.Sub(start))
		all = append(all, r.ticks.merged(i, i+each).stats(start, length))
	}
	return all
}
