package policyhttp

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// refuse answers a request that was not served.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	header := w.Header()
	rejected, ok := errors.AsType[*policy.Rejected](err)
	if ok {
		// Without it, a 503 would look like a failure, which clients repeat.
		header["Retry-After"] = []string{strconv.Itoa(wholeSeconds(max(rejected.RetryAfter, time.Second)))}
	}
	if errors.Is(err, policy.ErrLimited) && !h.config.Advertise {
		advertise(header, h.limits)
	}
	h.config.Refuse(w, r, statusOf(err), err)
}

// statusOf is the status for an error of a policy.
func statusOf(err error) int {
	if abort, ok := errors.AsType[*policy.AbortError](err); ok {
		return abort.Status
	}
	if errors.Is(err, policy.ErrLimited) {
		return http.StatusTooManyRequests
	}
	return http.StatusServiceUnavailable
}

// writeProblem answers with a problem (RFC 9457). It does not tell which
// policy said no: that is nobody's business who could use it.
func writeProblem(w http.ResponseWriter, _ *http.Request, status int, _ error) {
	kind := "about:blank"
	if status == http.StatusTooManyRequests {
		kind = "https://iana.org/assignments/http-problem-types#quota-exceeded"
	}
	header := w.Header()
	header["Content-Type"] = []string{"application/problem+json"}
	header["X-Content-Type-Options"] = []string{"nosniff"}
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"type":%q,"title":%q,"status":%d}`+"\n", kind, http.StatusText(status), status) // the client may have gone
}

// limit is a policy that can say how much it has left: a [policy.RateLimit], or
// a [policy.Limit] of one key.
type limit interface {
	Status() policy.RateLimitStatus
}

// advertise sets the fields RateLimit-Policy and RateLimit of
// draft-ietf-httpapi-ratelimit-headers-11: the limits, and what is left of
// them. The older X-RateLimit fields, whose meaning differs from server to
// server, are not sent.
func advertise(header http.Header, limits []limit) {
	if len(limits) == 0 {
		return
	}
	var policies, services []byte
	for i, l := range limits {
		if i > 0 {
			policies, services = append(policies, ", "...), append(services, ", "...)
		}
		s := l.Status()
		window := wholeSeconds(s.Per)
		quota := math.Floor(s.Requests * float64(window) / s.Per.Seconds())
		left := min(math.Floor(s.Left), quota)
		effective := window
		if left < 1 {
			effective = wholeSeconds(s.RetryAfter)
		}
		policies = fmt.Appendf(policies, `"%s";q=%.0f;w=%d`, limitName(i), quota, window)
		services = fmt.Appendf(services, `"%s";r=%.0f;t=%d`, limitName(i), left, effective)
	}
	header["Ratelimit-Policy"] = []string{string(policies)}
	header["Ratelimit"] = []string{string(services)}
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
