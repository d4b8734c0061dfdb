package gateway

import (
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// FaultConfig spoils a share of a route's requests on purpose. Its shares are
// drawn independently; a request gets the first of abort, close and reset that
// it is drawn for, after its delay.
type FaultConfig struct {
	policy.FaultConfig `yaml:",inline"`
	// Until ends the fault at a moment, such as 2026-11-26T12:00:00Z, which also
	// holds after a restart. Default: it does not end.
	Until time.Time `yaml:"until"`
	// Close is the share of the requests whose connection is closed without an
	// answer. Default 0%.
	Close policy.Ratio `yaml:"close"`
	// Reset is the share of the requests whose connection is reset without an
	// answer: by RST, or in HTTP/2 by RST_STREAM. Default 0%.
	Reset policy.Ratio `yaml:"reset"`
	// Body makes a share of the responses' bodies slow. Default: none.
	Body FaultBody `yaml:"body"`
	// Match lists alternatives, of which a request must match one to be hit, as
	// by a header. Default: all of the route's are.
	Match []MatchConfig `yaml:"match"`
	// Endpoints are addresses that seem to fail: their tries are hit, and the
	// route's policies act on that. Default: the fault hits requests, before they
	// are sent anywhere.
	Endpoints []string `yaml:"endpoints"`
}

// FaultBody makes a share of the responses' bodies slow.
type FaultBody struct {
	// Share of the responses that are slow. Default 0%.
	Share policy.Ratio `yaml:"share"`
	// Pause is how long the body's first byte is held back, after the head.
	// Default: not at all.
	Pause time.Duration `yaml:"pause"`
	// BytesPerSecond is how fast the body comes. Default: as fast as it can.
	BytesPerSecond int `yaml:"bytesPerSecond"`
}

// faultEndpointsMax bounds the endpoints of a fault.
const faultEndpointsMax = 1000

func (v *validator) fault(f *FaultConfig, path ...string) {
	at := func(more ...string) []string { return append(slices.Clone(path), more...) }
	v.policy(f.Validate(), path...)
	v.share(f.Close, at("close")...)
	v.share(f.Reset, at("reset")...)
	v.share(f.Body.Share, at("body", "share")...)
	v.duration(f.Body.Pause, at("body", "pause")...)
	v.count(f.Body.BytesPerSecond, 1<<30, at("body", "bytesPerSecond")...)
	if f.Body.Share > 0 && f.Body.Pause == 0 && f.Body.BytesPerSecond == 0 {
		v.add("want a pause or bytesPerSecond: how slow are %v of the bodies?", []any{f.Body.Share}, at("body")...)
	}
	for i := range f.Match {
		v.match(&f.Match[i], at("match", strconv.Itoa(i))...)
	}
	v.count(len(f.Endpoints), faultEndpointsMax, at("endpoints")...)
	for i, address := range f.Endpoints {
		if _, _, err := net.SplitHostPort(address); err != nil {
			v.add("want host:port such as 127.0.0.1:9001, got %q", []any{address}, at("endpoints", strconv.Itoa(i))...)
		}
	}
}

func (v *validator) share(r policy.Ratio, path ...string) {
	if !(r >= 0 && r <= 1) { // NaN is neither
		v.add("want 0%% to 100%%, got %v", []any{r}, path...)
	}
}
