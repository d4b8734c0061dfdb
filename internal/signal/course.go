package signal

import "time"

// course follows a service over time: since when it fails its users or is slow
// to them, and which latency is usual for it.
type course struct {
	failing, slow spell
	// usual is the p99 in seconds that it is used to, and learned for how many
	// seconds it was learned.
	usual   float64
	learned int
}

const (
	// courseSpan is how long the figures are gathered that a course judges.
	courseSpan = 10 * time.Second
	// failingShare is the share of failed requests from which a service fails.
	failingShare = 0.005
	// A p99 is slow from slowTimes the usual one and slowBeyond seconds above it.
	slowTimes, slowBeyond = 3, 0.1
	// slowLeast is how many requests a p99 takes to be judged.
	slowLeast = 20
	// learnLeast is how many seconds make something usual, and learnOver over how
	// many it is forgotten again.
	learnLeast, learnOver = 30, 900
	// slowMax is after which time what was slow becomes what is usual.
	slowMax = time.Hour
)

// step takes the figures of the last courseSpan, once a second.
func (c *course) step(now time.Time, s *ServiceSignals) {
	c.failing.step(now, s.Requests > 0 && s.FailedShare > failingShare)
	if s.Requests < slowLeast {
		c.slow.step(now, false)
		return
	}
	slow := c.learned >= learnLeast && s.P99Seconds > slowTimes*c.usual && s.P99Seconds > c.usual+slowBeyond
	c.slow.step(now, slow)
	switch {
	case !slow:
		c.learned++
		c.usual += (s.P99Seconds - c.usual) / float64(min(c.learned, learnOver))
	case now.Sub(c.slow.since) > slowMax:
		c.usual, c.learned = s.P99Seconds, 1
	}
}

// tell adds what the course knows.
func (c *course) tell(s *ServiceSignals) {
	s.FailingSince, s.SlowSince = c.failing.since, c.slow.since
	if c.learned >= learnLeast {
		s.UsualP99Seconds = c.usual
	}
}

// spell is since when something holds; zero while it does not. It outlasts
// moments in which it does not.
type spell struct{ since, last time.Time }

// spellGap is how long it may not hold meanwhile.
const spellGap = 5 * time.Second

func (s *spell) step(now time.Time, holds bool) {
	switch {
	case holds && s.since.IsZero():
		s.since, s.last = now, now
	case holds:
		s.last = now
	case now.Sub(s.last) > spellGap:
		s.since = time.Time{}
	}
}
