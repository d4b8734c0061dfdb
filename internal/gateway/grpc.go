package gateway

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// grpcCode is how a call of gRPC ended.
type grpcCode int

// The codes that Afloat acts on or answers with.
const (
	grpcOK                grpcCode = 0
	grpcCancelled         grpcCode = 1
	grpcUnknown           grpcCode = 2
	grpcDeadlineExceeded  grpcCode = 4
	grpcPermissionDenied  grpcCode = 7
	grpcResourceExhausted grpcCode = 8
	grpcUnimplemented     grpcCode = 12
	grpcInternal          grpcCode = 13
	grpcUnavailable       grpcCode = 14
	grpcDataLoss          grpcCode = 15
	grpcUnauthenticated   grpcCode = 16
)

var grpcNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
	"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// GRPCStatus is the name of a status of gRPC that is no success.
type GRPCStatus string

// Enum lists what a configuration file may say.
func (GRPCStatus) Enum() []string { return slices.Clone(grpcNames[grpcOK+1:]) }

// code is the status's number; OK for a name that is none.
func (s GRPCStatus) code() grpcCode { return grpcCode(max(slices.Index(grpcNames[:], string(s)), 0)) }

// GRPCStatuses lists the names of gRPC's statuses.
func GRPCStatuses() []string { return slices.Clone(grpcNames[:]) }

func (c grpcCode) String() string {
	if c >= 0 && int(c) < len(grpcNames) {
		return grpcNames[c]
	}
	return grpcNames[grpcUnknown]
}

// Error says how the call failed.
func (c grpcCode) Error() string { return "gRPC status " + c.String() }

// parseGRPC reads a status, of which none or a wrong one is UNKNOWN.
func parseGRPC(value []byte) grpcCode {
	n, err := strconv.ParseUint(string(value), 10, 16)
	if err != nil {
		return grpcUnknown
	}
	return grpcCode(n)
}

// class is what the status says of the endpoint. Pushback is whether it said
// when to come again, or not to.
func (c grpcCode) class(pushback bool) policy.Class {
	switch c {
	case grpcCancelled:
		return policy.Ignored
	case grpcResourceExhausted:
		return policy.Shed
	case grpcUnavailable:
		if pushback {
			return policy.Shed
		}
		return policy.Failure
	case grpcUnknown, grpcDeadlineExceeded, grpcInternal, grpcDataLoss:
		return policy.Failure
	}
	return policy.Success
}

// grpcOf is the status that stands for an answer of Afloat's own. It is that of
// gRPC's table for HTTP, but tells overload, and a time that is over, from a
// service that is not there.
func grpcOf(status int) grpcCode {
	switch status {
	case 400, 431:
		return grpcInternal
	case 401:
		return grpcUnauthenticated
	case 403:
		return grpcPermissionDenied
	case 404, 501:
		return grpcUnimplemented
	case 408, 504:
		return grpcDeadlineExceeded
	case 413, 429:
		return grpcResourceExhausted
	case 502, 503:
		return grpcUnavailable
	}
	return grpcUnknown
}

// isGRPC reports whether a content type is one of gRPC, which gRPC-Web is not.
func isGRPC(kind []byte) bool {
	const name = "application/grpc"
	if len(kind) < len(name) || !bytes.EqualFold(kind[:len(name)], []byte(name)) {
		return false
	}
	return len(kind) == len(name) || kind[len(name)] == '+' || kind[len(name)] == ';'
}

// grpcUnits are those of grpc-timeout.
var grpcUnits = map[byte]time.Duration{
	'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
}

// parseGRPCTimeout reads a grpc-timeout; ok is false where there is none, or
// one that is not to be understood.
func parseGRPCTimeout(value []byte) (d time.Duration, ok bool) {
	if len(value) < 2 || len(value) > 9 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(value[:len(value)-1]), 10, 32)
	unit := grpcUnits[value[len(value)-1]]
	if err != nil || unit == 0 {
		return 0, false
	}
	if n > uint64(math.MaxInt64/unit) {
		return math.MaxInt64, true
	}
	return time.Duration(n) * unit, true
}

// formatGRPCTimeout writes a time of at least a microsecond, rounded down, in
// no more than eight digits.
func formatGRPCTimeout(d time.Duration) string {
	for _, unit := range "umSMH" {
		if n := d / grpcUnits[byte(unit)]; n < 1e8 {
			return strconv.FormatInt(max(int64(n), 1), 10) + string(unit)
		}
	}
	return "99999999H"
}

// beginGRPC notes whether the request is a call of gRPC, and until when.
func (x *exchange) beginGRPC() {
	x.grpc = multiplexed(x.record.Protocol) && x.request.Upgrade == nil && isGRPC(x.request.Get("Content-Type"))
	if !x.grpc {
		return
	}
	if d, ok := parseGRPCTimeout(x.request.Get("Grpc-Timeout")); ok && d < timeMax {
		x.callEnd = x.record.Start.Add(d)
	}
}

// callOver reports whether the call's own deadline has passed.
func (x *exchange) callOver(now time.Time) bool {
	return !x.callEnd.IsZero() && !now.Before(x.callEnd)
}

// classifyGRPC is the outcome of a response of which the head tells how the
// call ended, or does not yet.
func (x *exchange) classifyGRPC(o *outcome) {
	value := x.response.Get("Grpc-Status")
	if !x.grpc || o.status != 200 || value == nil {
		return
	}
	code := parseGRPC(value)
	o.class = x.classOf(code, x.response.Get("Grpc-Retry-Pushback-Ms") != nil)
	if o.grpc = code; o.class == policy.Failure {
		o.err = code
	}
}

// classOf is what the status says of the endpoint, which is not to blame for the
// end that the caller has set.
func (x *exchange) classOf(code grpcCode, pushback bool) policy.Class {
	if code == grpcDeadlineExceeded && x.callerLeaves() {
		return policy.Ignored
	}
	return code.class(pushback)
}

// endGRPC notes how a call ended whose response has passed, and what that says
// of the endpoint.
func (x *exchange) endGRPC(u upstream, class policy.Class) policy.Class {
	value, pushback := x.response.Get("Grpc-Status"), x.response.Get("Grpc-Retry-Pushback-Ms") != nil
	early := value != nil
	for _, f := range u.trailers() {
		if names(f.Name, "grpc-status") && value == nil {
			value = f.Value
		}
		pushback = pushback || names(f.Name, "grpc-retry-pushback-ms")
	}
	code := parseGRPC(value)
	x.record.GRPC = code.String()
	if early || class != policy.Success || x.response.Status != 200 {
		return class
	}
	if class = x.classOf(code, pushback); class == policy.Failure {
		x.asked.endpoint.failedLate(code)
	}
	return class
}
