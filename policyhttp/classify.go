package policyhttp

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// A Classifier says what the end of a try means: either a response whose body
// is still to be read, or an error. RetryAfter is how long the callee asked to
// be left alone. It runs once per try and must neither block nor read the body.
type Classifier func(ctx context.Context, response *http.Response, err error) (class policy.Class, retryAfter time.Duration)

// Classify is the default Classifier: an error is what [policy.Classify] says,
// so that a request whose own caller cancelled it is ignored, and a response
// is what [ClassifyStatus] says.
func Classify(ctx context.Context, response *http.Response, err error) (policy.Class, time.Duration) {
	if err != nil || response == nil {
		return policy.Classify(ctx, nil, err)
	}
	return ClassifyStatus(response.StatusCode, response.Header)
}

// ClassifyStatus says what a status means. A 429, and a 503 that has a
// Retry-After, are [policy.Shed]: the callee protects itself and is not asked
// again. Every other status from 500 on is a [policy.Failure], except 501 and
// 505, which are about the request and not about the callee's health. All the
// rest is a [policy.Success].
func ClassifyStatus(status int, header http.Header) (class policy.Class, retryAfter time.Duration) {
	if status < 500 && status != http.StatusTooManyRequests {
		return policy.Success, 0
	}
	after, asked := retryAfterOf(header)
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable && asked:
		return policy.Shed, after
	case status == http.StatusNotImplemented, status == http.StatusHTTPVersionNotSupported:
		return policy.Success, 0
	}
	return policy.Failure, after
}

// ClassifyPatiently is [Classify], except that a response which says when to
// come back is a [policy.Failure] where it would be [policy.Shed], so that a
// [policy.Retry] waits and asks again. It is for a callee whose limit is meant
// for one caller, as those of public APIs are: to one that is overloaded, each
// of those who come back is one more. A breaker counts such answers, too.
func ClassifyPatiently(ctx context.Context, response *http.Response, err error) (policy.Class, time.Duration) {
	class, after := Classify(ctx, response, err)
	if err == nil && class == policy.Shed {
		if _, asked := retryAfterOf(response.Header); asked {
			class = policy.Failure
		}
	}
	return class, after
}

// retryAfterMax bounds what is believed of a Retry-After.
const retryAfterMax = 24 * time.Hour

// retryAfterOf reads Retry-After, in seconds or as a date (RFC 9110, 10.2.3).
// A date counts from the response's own Date, where there is one: the clocks of
// two machines differ.
func retryAfterOf(header http.Header) (after time.Duration, ok bool) {
	text := header.Get("Retry-After")
	if text == "" {
		return 0, false
	}
	if isDigits(text) {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds > int64(retryAfterMax/time.Second) {
			return retryAfterMax, true // too many digits are a long time too
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	from, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		from = time.Now()
	}
	return min(max(at.Sub(from), 0), retryAfterMax), true
}

func isDigits(text string) bool {
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return text != ""
}
