package gateway

import (
	"math"
	"testing"
	"time"
)

func TestGRPCTimeouts(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1H": time.Hour, "99999999S": 99999999 * time.Second, "250m": 250 * time.Millisecond, "1u": time.Microsecond, "7n": 7, "0m": 0,
		"99999999H": math.MaxInt64,
	} {
		if d, ok := parseGRPCTimeout([]byte(text)); !ok || d != want {
			t.Errorf("%s: got %v, %v", text, d, ok)
		}
	}
	for _, text := range []string{"", "1", "m", "-1m", "+1m", "1.5S", "1s", "1234567890m", "1 m"} {
		if d, ok := parseGRPCTimeout([]byte(text)); ok {
			t.Errorf("%q: got %v", text, d)
		}
	}
	for _, d := range []time.Duration{-1, 0, 1, time.Microsecond, 1500 * time.Microsecond, time.Second, time.Hour, 24 * time.Hour, 10000 * time.Hour} {
		text := formatGRPCTimeout(d)
		got, ok := parseGRPCTimeout([]byte(text))
		if !ok || got > max(d, time.Microsecond) || got < d-d/1e6-time.Microsecond {
			t.Errorf("%v: wrote %s, which is %v", d, text, got)
		}
	}
}

func TestGRPCIsKnownByItsContentType(t *testing.T) {
	for kind, want := range map[string]bool{
		"application/grpc": true, "application/grpc+proto": true, "Application/gRPC;x=y": true,
		"application/grpc-web": false, "application/grpc-web+proto": false, "application/json": false, "": false,
	} {
		if isGRPC([]byte(kind)) != want {
			t.Errorf("%q: got %v", kind, !want)
		}
	}
}

func TestGRPCMessageIsEscaped(t *testing.T) {
	if got := escapeGRPC("50% ü\n"); got != "50%25 %C3%BC%0A" {
		t.Errorf("got %q", got)
	}
}
