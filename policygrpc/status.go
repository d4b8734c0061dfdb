package policygrpc

import (
	"context"
	"errors"
	"net/http"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/afloat-dev/afloat/policy"
)

// StatusError is the error of a call that a policy refused, ended or repeated
// in vain. It is a gRPC status to status.FromError and status.Code, and to
// errors.Is and errors.As what the policy said, such as [policy.ErrOpen].
type StatusError struct {
	// Err is the policy's error.
	Err error

	status *status.Status // nil for that of Err
}

func (e *StatusError) Error() string {
	return "rpc error: code = " + e.GRPCStatus().Code().String() + " desc = " + e.Err.Error()
}

// Unwrap returns Err.
func (e *StatusError) Unwrap() error { return e.Err }

// GRPCStatus returns the status. A refusal's has google.rpc.RetryInfo if it is
// known when trying again may help.
func (e *StatusError) GRPCStatus() *status.Status {
	if e.status != nil {
		return e.status
	}
	return statusOf(e.Err)
}

// withStatus is err as one that is a status by itself.
func withStatus(err error) error {
	if _, ok := err.(interface{ GRPCStatus() *status.Status }); ok || err == nil {
		return err
	}
	return &StatusError{Err: err}
}

// statusOf is the status for any error of a call: that of the outermost error
// that has one, or is a policy's or a context's.
func statusOf(err error) *status.Status {
	for e := err; e != nil; e = errors.Unwrap(e) {
		switch e := e.(type) {
		case interface{ GRPCStatus() *status.Status }:
			return renamed(e.GRPCStatus(), e.(error), err)
		case *policy.RetryError:
			if n := len(e.Errs); n > 0 {
				return renamed(statusOf(e.Errs[n-1]), e.Errs[n-1], err)
			}
		case *policy.Rejected:
			return refusal(e, err.Error())
		case *policy.TimeoutError:
			return status.New(codes.DeadlineExceeded, err.Error())
		case *policy.AbortError:
			return status.New(codeOfHTTP(e.Status), err.Error())
		}
		switch e {
		case context.DeadlineExceeded:
			return status.New(codes.DeadlineExceeded, err.Error())
		case context.Canceled:
			return status.New(codes.Canceled, err.Error())
		case ErrNotRepeatable, errNoReply:
			return status.New(codes.Internal, err.Error())
		}
	}
	s, _ := status.FromError(err) // UNKNOWN, unless it is one of several
	return s
}

// renamed is the status of an error within another, whose text it gets.
func renamed(s *status.Status, inner, outer error) *status.Status {
	switch {
	case s == nil: // that of a success, and this is none
		return status.New(codes.Unknown, outer.Error())
	case inner == outer:
		return s
	}
	p := s.Proto() // a copy
	p.Message = outer.Error()
	return status.FromProto(p)
}

// refusal is the status of a call that was not made: a quota that is used up
// is RESOURCE_EXHAUSTED, and all else UNAVAILABLE.
func refusal(rejected *policy.Rejected, text string) *status.Status {
	code := codes.Unavailable
	if errors.Is(rejected, policy.ErrLimited) {
		code = codes.ResourceExhausted
	}
	s := status.New(code, text)
	if rejected.RetryAfter <= 0 {
		return s
	}
	told, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(rejected.RetryAfter)})
	if err != nil {
		return s // without it, it still says no
	}
	return told
}

// codeOfHTTP is the code that gRPC gives a call whose answer is no gRPC but
// has an HTTP status (grpc/doc/http-grpc-status-mapping.md).
func codeOfHTTP(status int) codes.Code {
	switch status {
	case http.StatusBadRequest:
		return codes.Internal
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.Unimplemented
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return codes.Unavailable
	}
	return codes.Unknown
}
