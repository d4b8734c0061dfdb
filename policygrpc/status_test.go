package policygrpc

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/afloat-dev/afloat/policy"
)

func TestStatusIsThatOfTheOutermostErrorThatHasOne(t *testing.T) {
	internal := status.Error(codes.Internal, "oops")
	open := &policy.Rejected{Policy: "breaker", Reason: policy.ErrOpen, RetryAfter: time.Second}
	late := &policy.TimeoutError{After: time.Second, Err: internal}
	tests := []struct {
		name string
		err  error
		want codes.Code
	}{
		{"a status", internal, codes.Internal},
		{"a status within", fmt.Errorf("ask: %w", internal), codes.Internal},
		{"a status among others", errors.Join(errors.New("oops"), internal), codes.Internal},
		{"a status that says all went well", &StatusError{Err: okError{}}, codes.Unknown},
		{"no status", errors.New("oops"), codes.Unknown},
		{"a refusal", open, codes.Unavailable},
		{"a refusal within", fmt.Errorf("ask: %w", open), codes.Unavailable},
		{"a limit", &policy.Rejected{Policy: "rateLimit", Reason: policy.ErrLimited}, codes.ResourceExhausted},
		{"a timeout of a failure", late, codes.DeadlineExceeded},
		{"tries of which the last one failed", &policy.RetryError{Errs: []error{late, internal}}, codes.Internal},
		{"tries of which the last one was refused", &policy.RetryError{Errs: []error{internal, open}}, codes.Unavailable},
		{"tries of which the last one took too long", &policy.RetryError{Errs: []error{internal, late}}, codes.DeadlineExceeded},
		{"tries that took too long together", &policy.TimeoutError{Err: &policy.RetryError{Errs: []error{internal}}}, codes.DeadlineExceeded},
		{"no tries", &policy.RetryError{}, codes.Unknown},
		{"a caller who went", context.Canceled, codes.Canceled},
		{"a caller who waits no longer", fmt.Errorf("wait: %w", context.DeadlineExceeded), codes.DeadlineExceeded},
	}
	for _, test := range tests {
		for _, err := range []error{test.err, withStatus(test.err), withStatus(withStatus(test.err))} {
			if got := statusOf(err); got.Code() != test.want || status.Code(withStatus(err)) != test.want {
				t.Errorf("%s: %v, and to others %v; want %v", test.name, got, status.Code(withStatus(err)), test.want)
			}
			if !errors.Is(err, test.err) {
				t.Errorf("%s is not itself any more", test.name)
			}
		}
	}
	if withStatus(nil) != nil {
		t.Error("success became an error")
	}
}

// okError is an error whose status is none.
type okError struct{}

func (okError) Error() string              { return "no error" }
func (okError) GRPCStatus() *status.Status { return nil }

func TestHTTPStatusesHaveTheCodesThatGRPCGivesThem(t *testing.T) {
	for http, want := range map[int]codes.Code{
		400: codes.Internal, 401: codes.Unauthenticated, 403: codes.PermissionDenied, 404: codes.Unimplemented,
		429: codes.Unavailable, 502: codes.Unavailable, 503: codes.Unavailable, 504: codes.Unavailable, 500: codes.Unknown,
	} {
		if got := statusOf(&policy.AbortError{Status: http}).Code(); got != want {
			t.Errorf("%d is %v, want %v", http, got, want)
		}
	}
}

func TestWhenToComeBackIsReadAndBounded(t *testing.T) {
	info := func(d time.Duration) *errdetails.RetryInfo {
		return &errdetails.RetryInfo{RetryDelay: durationpb.New(d)}
	}
	tests := []struct {
		name    string
		details []protoadapt.MessageV1
		trailer metadata.MD
		want    time.Duration
		asked   bool
	}{
		{"nothing", nil, nil, 0, false},
		{"a detail", []protoadapt.MessageV1{&errdetails.ErrorInfo{}, info(time.Second)}, nil, time.Second, true},
		{"a detail without a time", []protoadapt.MessageV1{&errdetails.RetryInfo{}}, nil, 0, true},
		{"a detail that is less than nothing", []protoadapt.MessageV1{info(-time.Second)}, nil, 0, true},
		{"a detail of a year", []protoadapt.MessageV1{info(365 * 24 * time.Hour)}, nil, 24 * time.Hour, true},
		{"another detail", []protoadapt.MessageV1{&errdetails.ErrorInfo{}}, nil, 0, false},
		{"a trailer", nil, metadata.Pairs(pushback, "1500"), 1500 * time.Millisecond, true},
		{"a trailer of a year", nil, metadata.Pairs(pushback, "31536000000"), 24 * time.Hour, true},
		{"a trailer that says never", nil, metadata.Pairs(pushback, "-1"), 0, true},
		{"both", []protoadapt.MessageV1{info(time.Second)}, metadata.Pairs(pushback, "1500"), 1500 * time.Millisecond, true},
	}
	for _, test := range tests {
		s, err := status.New(codes.Unavailable, "busy").WithDetails(test.details...)
		if err != nil {
			t.Fatal(err)
		}
		want := policy.Failure
		if test.asked {
			want = policy.Shed
		}
		class, after := Classify(t.Context(), s.Err(), test.trailer)
		if class != want || after != test.want {
			t.Errorf("%s: %v after %v, want %v after %v", test.name, class, after, want, test.want)
		}
	}
}

func TestPushbackIsRoundedUp(t *testing.T) {
	for after, want := range map[time.Duration]string{0: "-1", 1: "1", time.Millisecond: "1", time.Millisecond + 1: "2", time.Minute: "60000"} {
		if got := pushbackText(after); got != want {
			t.Errorf("%v is %s, want %s", after, got, want)
		}
	}
}

func TestPatientClassifierWaitsForALimit(t *testing.T) {
	limited := status.New(codes.ResourceExhausted, "slower")
	later, err := limited.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(7 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		err     error
		trailer metadata.MD
		class   policy.Class
		after   time.Duration
	}{
		"says when":              {later.Err(), nil, policy.Failure, 7 * time.Second},
		"says when in a trailer": {limited.Err(), metadata.Pairs("grpc-retry-pushback-ms", "7000"), policy.Failure, 7 * time.Second},
		"says never":             {limited.Err(), metadata.Pairs("grpc-retry-pushback-ms", "-1"), policy.Shed, 0},
		"says nothing":           {limited.Err(), nil, policy.Shed, 0},
		"a policy's refusal":     {&policy.Rejected{Policy: "bulkhead", Reason: policy.ErrFull, RetryAfter: time.Second}, nil, policy.Shed, time.Second},
	} {
		if class, after := ClassifyPatiently(t.Context(), test.err, test.trailer); class != test.class || after != test.after {
			t.Errorf("%s: %v after %v, want %v after %v", name, class, after, test.class, test.after)
		}
	}
}
