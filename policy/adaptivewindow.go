package policy

import (
	"math"
	"time"
)

// samples is a window of them, kept as sums.
type samples struct {
	began        time.Duration
	peak         int // calls in flight
	count        int // calls that tell how long calls take
	sum, squares float64
	timeouts     int // calls that failed after a long time
	lost         float64
}

const (
	// samplesMin is how many a window needs to say anything.
	samplesMin = 10
	// windowMin is the least time that one lasts.
	windowMin = 20 * time.Millisecond
	// A window lasts until its mean is known within doubtMost, for calls that
	// differ much from each other, but no longer than windowMax if it can.
	windowMax, doubtMost = 500 * time.Millisecond, 0.1
)

// add takes a sample in. A call that succeeded tells how long calls take. One
// that was given up took at least as long as that; it and one that failed
// count only if they took longer than calls should: else a callee that fails
// fast would look like one that works fast.
func (w *samples) add(s AdaptiveSample, long float64) {
	took := float64(s.End - s.Start)
	w.peak = max(w.peak, s.InFlight)
	switch {
	case s.Class == Success, s.Class == Ignored && long > 0 && took > long:
		w.count++
		w.sum += took
		w.squares += took * took
	case s.Class == Failure && long > 0 && took > 2*long:
		w.timeouts++
		w.lost += took
	}
}

// complete reports whether the window spans what has changed since the last.
// Variance is that of single calls lately.
func (w *samples) complete(t time.Duration, variance float64) bool {
	passed := t - w.began
	if w.count+w.timeouts < samplesMin || passed < windowMin {
		return false
	}
	if w.timeouts > w.count {
		return float64(passed)*float64(w.timeouts) >= w.lost
	}
	n := float64(w.count)
	if float64(passed)*n < 2*w.sum {
		return false
	}
	if passed >= windowMax || w.timeouts > 0 {
		return true
	}
	// variance/n <= (doubtMost*mean)^2, without the divisions: this runs for each call.
	return max(w.squares*n-w.sum*w.sum, variance*n*n) <= doubtMost*doubtMost*n*w.sum*w.sum
}

func (w *samples) mean() float64 { return w.sum / float64(max(w.count, 1)) }

// variance is how far single calls lie from the mean, squared.
func (w *samples) variance() float64 {
	mean := w.mean()
	return max(w.squares/float64(max(w.count, 1))-mean*mean, 0)
}

// doubt is the standard error of the mean.
func (w *samples) doubt() float64 { return math.Sqrt(w.variance() / float64(max(w.count, 1))) }
