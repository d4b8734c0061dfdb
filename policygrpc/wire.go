package policygrpc

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/afloat-dev/afloat/policy"
)

const (
	// AttemptHeader is the default metadata key that stops nested retries. On
	// a call it is the number of the try, from 2 on: whoever serves it does
	// not repeat the calls that it makes for it. In the trailer of a call that
	// failed it is how often the call that made it fail was tried further in:
	// whoever gets it does not repeat it.
	AttemptHeader = "afloat-attempt"
	// PriorityHeader is the default metadata key of a call's
	// [policy.Priority]: critical, low or sheddable. Without it the call is
	// normal.
	PriorityHeader = "afloat-priority"
	// NoHeader, as a metadata key in a Config, neither sends nor reads it.
	NoHeader = "-"
)

const (
	// previousAttempts is how often grpc itself has repeated a call.
	previousAttempts = "grpc-previous-rpc-attempts"
	// pushback is how long the callee wants a repeat to wait, in milliseconds;
	// one that is negative, or no number, wants none (gRFC A6).
	pushback = "grpc-retry-pushback-ms"
)

// attemptMax bounds what is believed of a number of tries.
const attemptMax = 1000

// attemptOf is the number of the try in a call's metadata; 1 where there is
// none. A proxy that hands metadata on may have left one before ours.
func attemptOf(ctx context.Context, name string) int {
	attempt := 1
	for _, text := range metadata.ValueFromIncomingContext(ctx, name) {
		attempt = max(attempt, countOf(text))
	}
	for _, text := range metadata.ValueFromIncomingContext(ctx, previousAttempts) {
		attempt = max(attempt, countOf(text)+1)
	}
	return min(attempt, attemptMax)
}

func countOf(text string) int {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return int(n)
}

// withPriority is a context that sends its priority, unless that is normal.
// What a proxy hands on instead was claimed by a caller, and the Server has
// judged it.
func withPriority(ctx context.Context, name string, inbound bool) context.Context {
	switch p := policy.PriorityOf(ctx); p {
	case policy.PriorityCritical, policy.PriorityLow, policy.PrioritySheddable:
		return metadata.AppendToOutgoingContext(ctx, name, string(p))
	}
	if !inbound {
		return ctx
	}
	sent, _ := metadata.FromOutgoingContext(ctx) // a copy
	if len(sent[name]) == 0 {
		return ctx
	}
	delete(sent, name)
	return metadata.NewOutgoingContext(ctx, sent)
}

// pushbackOf reads a trailer's pushback, which is never when the callee is not
// to be asked again.
func pushbackOf(trailer metadata.MD) (after time.Duration, never, asked bool) {
	values := trailer[pushback]
	if len(values) == 0 {
		return 0, false, false
	}
	ms, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil || ms < 0 || len(values) > 1 {
		return 0, true, true
	}
	return time.Duration(min(ms, int64(retryAfterMax/time.Millisecond))) * time.Millisecond, false, true
}

// pushbackText is when trying again may help, rounded up: sooner would be too
// soon. Where that is unknown, it is never.
func pushbackText(after time.Duration) string {
	if after <= 0 {
		return "-1"
	}
	return strconv.FormatInt(int64((after+time.Millisecond-1)/time.Millisecond), 10)
}

// inbound is what a Server knows of the call that it serves, for the Clients
// that are used for it.
type inbound struct {
	attempt int
	// tried is how often the last call that failed was tried, by a Client that
	// repeats or would have; zero when none failed.
	tried atomic.Int32
}

type inboundKey struct{}

func inboundOf(ctx context.Context) *inbound {
	in, _ := ctx.Value(inboundKey{}).(*inbound)
	return in
}

// checkHeader returns a problem unless name can be a key of metadata that is
// text.
func checkHeader(field, name string) error {
	problem := strings.HasPrefix(strings.ToLower(name), "grpc-") || strings.HasSuffix(strings.ToLower(name), "-bin")
	for _, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		problem = problem || !letter && c != '-' && c != '_' && c != '.'
	}
	if problem {
		return &policy.FieldError{Field: field, Problem: "want a metadata key of letters, digits, '-', '_' and '.' that neither begins with grpc- nor ends in -bin, or " +
			strconv.Quote(NoHeader) + " for none, got " + strconv.Quote(name)}
	}
	return nil
}

// headerName is a Config's key, or its default, as metadata has it.
func headerName(name, byDefault string) string {
	if name == "" {
		name = byDefault
	}
	return strings.ToLower(name)
}
