package policygrpc

import (
	"context"
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/afloat-dev/afloat/policy"
)

// A Classifier says what the end of a try means. Err is nil for a success; the
// trailer is what a callee has sent with its status, and nil on a [Server].
// RetryAfter is how long the callee asked to be left alone. It runs once per
// try and must not block.
type Classifier func(ctx context.Context, err error, trailer metadata.MD) (class policy.Class, retryAfter time.Duration)

// Classify is the default Classifier: a call that its own caller cancelled is
// ignored, a [policy.Rejected] is [policy.Shed], and all else is what
// [ClassifyStatus] says.
func Classify(ctx context.Context, err error, trailer metadata.MD) (policy.Class, time.Duration) {
	if err == nil {
		return policy.Success, 0
	}
	if _, rejected := errors.AsType[*policy.Rejected](err); rejected || errors.Is(ctx.Err(), context.Canceled) {
		return policy.Classify(ctx, nil, err)
	}
	return ClassifyStatus(statusOf(err), trailer)
}

// ClassifyStatus says what a status means. A RESOURCE_EXHAUSTED, and an
// UNAVAILABLE that says when to come back, are [policy.Shed]: the callee
// protects itself and is not asked again. CANCELLED is [policy.Ignored]. The
// other UNAVAILABLE, UNKNOWN, INTERNAL, DATA_LOSS and DEADLINE_EXCEEDED are a
// [policy.Failure]. All the rest is about the call and not about the callee's
// health: a [policy.Success].
//
// When to come back is in google.rpc.RetryInfo among the status's details, or
// in the trailer as grpc-retry-pushback-ms.
func ClassifyStatus(s *status.Status, trailer metadata.MD) (class policy.Class, retryAfter time.Duration) {
	switch s.Code() {
	case codes.ResourceExhausted, codes.Unavailable, codes.Unknown, codes.Internal, codes.DataLoss, codes.DeadlineExceeded:
	case codes.Canceled:
		return policy.Ignored, 0
	default:
		return policy.Success, 0
	}
	after, asked := retryAfterOf(s, trailer)
	if s.Code() == codes.ResourceExhausted || s.Code() == codes.Unavailable && asked {
		return policy.Shed, after
	}
	return policy.Failure, after
}

// ClassifyPatiently is [Classify], except that a status of the callee's which
// says when to come back is a [policy.Failure] where it would be [policy.Shed],
// so that a [policy.Retry] waits and asks again. It is for a callee whose limit
// is meant for one caller: to one that is overloaded, each of those who come
// back is one more. A breaker counts such statuses, too.
func ClassifyPatiently(ctx context.Context, err error, trailer metadata.MD) (policy.Class, time.Duration) {
	class, after := Classify(ctx, err, trailer)
	if _, rejected := errors.AsType[*policy.Rejected](err); rejected || class != policy.Shed {
		return class, after
	}
	if _, never, _ := pushbackOf(trailer); never {
		return class, after
	}
	if _, asked := retryAfterOf(statusOf(err), trailer); asked {
		class = policy.Failure
	}
	return class, after
}

// retryAfterMax bounds what is believed of a callee's wish.
const retryAfterMax = 24 * time.Hour

// retryAfterOf is the longer of what the status and the trailer ask for.
func retryAfterOf(s *status.Status, trailer metadata.MD) (after time.Duration, asked bool) {
	after, _, asked = pushbackOf(trailer)
	for _, detail := range s.Proto().GetDetails() {
		info := new(errdetails.RetryInfo)
		if !detail.MessageIs(info) || detail.UnmarshalTo(info) != nil {
			continue
		}
		asked = true
		after = max(after, min(info.GetRetryDelay().AsDuration(), retryAfterMax))
	}
	return after, asked
}
