package policyhttp

import (
	"context"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

const (
	// AttemptHeader is the default name of the header that stops nested
	// retries. On a request it is the number of the try, from 2 on: whoever
	// serves it does not repeat the calls that it makes for it. On a response
	// that failed it is how often the call that made it fail was tried further
	// in: whoever gets it does not repeat it.
	AttemptHeader = "Afloat-Attempt"
	// TimeoutHeader is the default name of the header that carries a deadline:
	// how many milliseconds the caller will still wait.
	TimeoutHeader = "Afloat-Timeout-Ms"
	// PriorityHeader is the default name of the header that carries a call's
	// [policy.Priority]: critical, low or sheddable. Without it the call is
	// normal.
	PriorityHeader = "Afloat-Priority"
	// NoHeader, as a header's name in a Config, neither sends nor reads it.
	NoHeader = "-"
)

const (
	// attemptMax bounds what is believed of an attempt header.
	attemptMax = 1000
	// timeoutMax bounds what is believed of a timeout header.
	timeoutMax = 24 * time.Hour
)

// attemptOf reads the number of the try; 1 where there is none.
func attemptOf(header http.Header, name string) int {
	text := first(header, name)
	if !isDigits(text) {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 1
	}
	return min(n, attemptMax)
}

// timeoutOf reads how long the caller will wait. What is no positive number is
// no deadline.
func timeoutOf(header http.Header, name string) (left time.Duration, ok bool) {
	text := first(header, name)
	if !isDigits(text) { // most have none, and an error would be an allocation
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, false
	}
	return time.Duration(min(n, int64(timeoutMax/time.Millisecond))) * time.Millisecond, true
}

// timeoutText is what is left of the time until a deadline, minus the margin
// for the way there and back. It is never nothing: the callee is the one to
// refuse what it cannot do in a millisecond.
func timeoutText(deadline time.Time, margin time.Duration) string {
	left := time.Until(deadline) - margin
	return strconv.FormatInt(max(left.Milliseconds(), 1), 10)
}

// priorityText is what is sent of a context's priority; empty for a normal one.
func priorityText(ctx context.Context) string {
	switch p := policy.PriorityOf(ctx); p {
	case policy.PriorityCritical, policy.PriorityLow, policy.PrioritySheddable:
		return string(p)
	}
	return ""
}

// first is Header.Get for a name that is canonical; a switched-off one is
// never found.
func first(header http.Header, canonical string) string {
	if values := header[canonical]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// inbound is what a Handler knows of the request that it serves, for the
// Transports that are used for it.
type inbound struct {
	attempt int
	// tried is how often the last call that failed was tried, by a Transport
	// that repeats or would have; zero when none failed.
	tried atomic.Int32
}

type inboundKey struct{}

func inboundOf(ctx context.Context) *inbound {
	in, _ := ctx.Value(inboundKey{}).(*inbound)
	return in
}

type requestKey struct{}

// Request returns the request that a policy is asked to run: a Transport's
// outgoing one, or a Handler's incoming one. It is for policies that depend on
// it, such as a limit for each user, and must not be changed. It is nil
// outside both.
func Request(ctx context.Context) *http.Request {
	r, _ := ctx.Value(requestKey{}).(*http.Request)
	return r
}

// checkHeader returns a problem unless name can be a header's.
func checkHeader(field, name string) error {
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || separators[c] {
			return &policy.FieldError{Field: field, Problem: "want a header's name, or " + strconv.Quote(NoHeader) + " for none, got " + strconv.Quote(name)}
		}
	}
	return nil
}

// separators are the visible characters that a name must not have (RFC 9110, 5.6.2).
var separators = func() (set [128]bool) {
	for _, c := range []byte(`"(),/:;<=>?@[\]{}`) {
		set[c] = true
	}
	return set
}()

// headerName is a Config's name or its default in canonical form.
func headerName(name, byDefault string) string {
	if name == "" {
		name = byDefault
	}
	return http.CanonicalHeaderKey(name)
}
