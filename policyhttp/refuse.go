package policyhttp

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// refuse answers a request that was not served. The context is the policies'.
func (h *Handler) refuse(ctx context.Context, w http.ResponseWriter, r *http.Request, err error) {
	header := w.Header()
	rejected, ok := errors.AsType[*policy.Rejected](err)
	if ok {
		// Without it, a 503 would look like a failure, which clients repeat.
		header["Retry-After"] = []string{strconv.Itoa(wholeSeconds(max(rejected.RetryAfter, time.Second)))}
	}
	if errors.Is(err, policy.ErrLimited) && !h.config.Advertise {
		advertise(ctx, header, h.limits)
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

// wholeSeconds rounds up: sooner would be too soon.
func wholeSeconds(d time.Duration) int {
	return max(int(math.Ceil(d.Seconds())), 1)
}
