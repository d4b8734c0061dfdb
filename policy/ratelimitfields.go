package policy

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// RateLimitFields returns the values of the fields RateLimit-Policy and
// RateLimit of draft-ietf-httpapi-ratelimit-headers-11 for the limits that a
// request is under: what they are, and what is left of them. Both are empty
// where none of them limits anything. The older X-RateLimit fields mean
// something else on each server.
func RateLimitFields(limits []RateLimitStatus) (policies, left string) {
	var p, l []byte
	for i, s := range limits {
		if s.Per <= 0 {
			continue // the zero Limit, which admits everything
		}
		if len(p) > 0 {
			p, l = append(p, ", "...), append(l, ", "...)
		}
		window := wholeSeconds(s.Per)
		quota := math.Floor(s.Requests * float64(window) / s.Per.Seconds())
		rest := min(math.Floor(s.Left), quota)
		effective := window
		if rest < 1 {
			effective = wholeSeconds(s.RetryAfter)
		}
		p = fmt.Appendf(p, `"%s";q=%.0f;w=%d`, limitName(i), quota, window)
		l = fmt.Appendf(l, `"%s";r=%.0f;t=%d`, limitName(i), rest, effective)
	}
	return string(p), string(l)
}

func limitName(i int) string {
	if i == 0 {
		return "default"
	}
	return "default-" + strconv.Itoa(i+1)
}

// wholeSeconds rounds up: sooner would be too soon.
func wholeSeconds(d time.Duration) int {
	return max(int(math.Ceil(d.Seconds())), 1)
}
