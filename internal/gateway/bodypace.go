package gateway

import "time"

// bodyPace is how slowly a body may come. Only waiting for the client counts,
// and it may fall behind by the grace: a byte now and then does not buy more
// time. Its zero value bears anything.
type bodyPace struct {
	rate  int           // bytes a second at least; 0: any
	grace time.Duration // how long may be waited while nothing comes
	left  time.Duration // of it
}

func newBodyPace(c *ListenerConfig) bodyPace {
	return bodyPace{rate: max(c.BodyRateMin, 0), grace: c.StallTimeout, left: c.StallTimeout}
}

// within is how long may be waited for the next bytes, if at most d; 0 or less
// when they have come too slowly.
func (p *bodyPace) within(d time.Duration) time.Duration {
	if p.rate == 0 {
		return d
	}
	return min(d, p.left)
}

// note counts n bytes that were waited for.
func (p *bodyPace) note(waited time.Duration, n int) {
	if p.rate > 0 {
		p.left = min(p.left-waited+time.Duration(n)*time.Second/time.Duration(p.rate), p.grace)
	}
}
