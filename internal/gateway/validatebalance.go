package gateway

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

func (v *validator) endpoint(e *EndpointConfig, path ...string) {
	at := func(field string) []string { return append(slices.Clone(path), field) }
	if err := validEndpoint(e.Address); err != nil {
		v.add("%v", []any{err}, path...)
	}
	v.count(e.Weight, weightMax, at("weight")...)
	v.count(e.Priority, priorityMax, at("priority")...)
	v.zone(e.Zone, at("zone")...)
}

// labels checks that a destination has endpoints. Of a service without any they
// are not known yet.
func (v *validator) labels(d DestinationConfig, endpoints []EndpointConfig, path ...string) {
	wanted := subset{labels: d.Labels}
	if len(endpoints) > 0 && !slices.ContainsFunc(endpoints, func(e EndpointConfig) bool { return wanted.has(&e) }) {
		v.add("no endpoint of %s has these labels", []any{d.Service}, path...)
	}
}

func (v *validator) zone(zone string, path ...string) {
	if strings.ContainsFunc(zone, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		v.add("want a zone such as eu-west/a, got %q", []any{zone}, path...)
	}
}

// balance checks how endpoints are picked.
func (v *validator) balance(s *ServiceConfig, path ...string) {
	at := func(more ...string) []string { return append(slices.Clone(path), more...) }
	if known := Balance("").Enum(); s.Balance != "" && !slices.Contains(known, string(s.Balance)) {
		v.add("want one of %s, got %q", []any{strings.Join(known, ", "), s.Balance}, at("balance")...)
	}
	keys := 0
	for _, said := range []bool{s.Hash.Header != "", s.Hash.Cookie != "", s.Hash.Query != "", s.Hash.Path} {
		if said {
			keys++
		}
	}
	switch {
	case keys > 1:
		v.add("want one of header, cookie, query and path, got %d", []any{keys}, at("hash")...)
	case keys > 0 && !s.Balance.byKey():
		v.add("a key is of no use without balance: ringHash or maglev", nil, at("hash")...)
	}
	if s.Hash.Header != "" && !validToken(s.Hash.Header) {
		v.add("%q cannot be a header's name", []any{s.Hash.Header}, at("hash", "header")...)
	}
	if f := s.Hash.LoadFactor; f != 0 && f != -1 && !(f >= 1 && f <= 1000) {
		v.add("want -1, or 1 to 1000, got %v", []any{f}, at("hash", "loadFactor")...)
	}
	v.duration(s.Warmup, at("warmup")...)
	if !(s.SpillBelow >= 0 && s.SpillBelow <= 1) { // NaN is neither
		v.add("want 0%% to 100%%, got %v", []any{s.SpillBelow}, at("spillBelow")...)
	}
	if !(s.PanicBelow >= 0 && s.PanicBelow <= 1) {
		v.add("want 0%% to 100%%, got %v", []any{s.PanicBelow}, at("panicBelow")...)
	}
}

func validEndpoint(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return fmt.Errorf("want host:port such as 127.0.0.1:9001, got %q", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("want a port from 1 to 65535, got %q", port)
	}
	if net.ParseIP(host) == nil && !validHost(host) {
		return fmt.Errorf("%q is no host name and no IP address", host)
	}
	return nil
}
