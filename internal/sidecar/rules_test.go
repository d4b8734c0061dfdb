package sidecar

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRulesInFull(t *testing.T) {
	r := &Rules{
		UID: new(uint32(1000)), GID: new(uint32(2000)), OutboundPort: 15001, Inbound: []uint16{8443, 8080, 8443}, InboundPort: 15006,
		ExcludePorts: []uint16{53, 22}, Mark: 7,
		Exclude: []netip.Prefix{
			netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("10.9.9.9/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::1/8"),
		},
	}
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	want := `create table inet afloat
add chain inet afloat owner_1_a
add chain inet afloat output { type nat hook output priority -100; policy accept; }
add rule inet afloat output meta mark 7 return
add rule inet afloat output meta l4proto != tcp return
add rule inet afloat output meta skuid != 1000 return
add rule inet afloat output meta skgid != 2000 return
add rule inet afloat output fib daddr type local return
add rule inet afloat output ip daddr { 10.0.0.0/8 } return
add rule inet afloat output ip6 daddr { fd00::/8 } return
add rule inet afloat output tcp dport { 22, 53 } return
add rule inet afloat output meta l4proto tcp counter redirect to :15001
add chain inet afloat prerouting { type nat hook prerouting priority -100; policy accept; }
add rule inet afloat prerouting iifname "lo" return
add rule inet afloat prerouting fib daddr type local tcp dport { 8080, 8443 } counter redirect to :15006
`
	if d := cmp.Diff(want, r.Script("owner_1_a")); d != "" {
		t.Error(d)
	}
}

func TestRulesHaveOnlyTheChainsThatAreNeeded(t *testing.T) {
	r := &Rules{All: true, OutboundPort: 1, InboundPort: 2, Mark: 7}
	if s := r.Script("owner_1_a"); strings.Contains(s, "prerouting") || strings.Contains(s, "skuid") || strings.Contains(s, "{  }") {
		t.Error(s)
	}
	r = &Rules{Inbound: []uint16{80}, OutboundPort: 1, InboundPort: 2, Mark: 7}
	if s := r.Script("owner_1_a"); strings.Contains(s, "hook output") {
		t.Error(s)
	}
}

func TestRulesThatWouldDoHarmAreRefused(t *testing.T) {
	for want, change := range map[string]func(*Rules){
		"whose calls":                       func(r *Rules) { r.All = false },
		"write one of them":                 func(r *Rules) { r.UID = new(uint32) },
		"two different ports":               func(r *Rules) { r.InboundPort = r.OutboundPort },
		"would come back to it":             func(r *Rules) { r.Mark = 0 },
		"inbound: want at most 100":         func(r *Rules) { r.Inbound = make([]uint16, 101) },
		"exclude-port: want at most 100":    func(r *Rules) { r.ExcludePorts = []uint16{0} },
		"cannot be the program's":           func(r *Rules) { r.Inbound = []uint16{r.InboundPort} },
		"at most 100 networks":              func(r *Rules) { r.Exclude = make([]netip.Prefix, 101) },
		"want a network such as":            func(r *Rules) { r.Exclude = make([]netip.Prefix, 1) },
		"network such as 10.0.0.0/8, got :": func(r *Rules) { r.Exclude = []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")} },
	} {
		r := &Rules{All: true, OutboundPort: 1, InboundPort: 2, Mark: 7}
		if err := r.Validate(); err != nil {
			t.Fatal(err)
		}
		change(r)
		if err := r.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if err := Up(t.Context(), r, NewOwner(1)); err == nil {
			t.Errorf("%s: the rules are in place", want)
		}
	}
}

func TestNobodyButAnOwnerIsRemoved(t *testing.T) {
	for _, not := range []string{"", "output", "owner_1_a; delete table inet other", "owner_x_a"} {
		if err := Remove(t.Context(), not); err == nil || !strings.Contains(err.Error(), "not the owner") {
			t.Errorf("%q: %v", not, err)
		}
	}
}
