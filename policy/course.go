package policy

import (
	"math"
	"strconv"
	"time"
)

// course is where a limit that moves by itself was when the observer was last
// told of it.
type course struct {
	told float64
	next time.Duration // when it may be told again
}

const (
	// courseMark is how much of a limit's change is worth telling.
	courseMark = 0.25
	// courseEvery is how often it is told at most.
	courseEvery = time.Second
)

// follow puts an event when the limit has moved markedly, and reports whether
// it has. The caller holds the policy's lock, and flushes after it.
func (c *course) follow(e *events, t time.Duration, limit float64, why string) bool {
	if e.observer == nil || math.Abs(limit-c.told) < courseMark*c.told || t < c.next {
		return false
	}
	e.put(Event{Kind: EventLimit, From: number(c.told), To: number(limit), Why: why})
	c.told, c.next = limit, t+courseEvery
	return true
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }
