// Package sidecar redirects a program's connections to a gateway by rules of
// nftables, and takes the rules back.
//
// The rules are one table of one network namespace, which is made and deleted
// in one transaction. It has an empty chain whose name says who made it, so
// that nobody deletes the table of another: a transaction that deletes both
// fails where the chain is not there.
//
//	program ──▶ output ────redirect──▶ gateway ──mark──▶ original destination
//	client ──▶ prerouting ─redirect──▶ gateway ──mark──▶ program, on loopback
package sidecar

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/afloat-dev/afloat/policy"
)

// Table is the name of the table, of the family inet.
const Table = "afloat"

// Rules say which connections are redirected.
type Rules struct {
	// UID and GID are whose calls are redirected: those of processes with that
	// user and that group; nil: of any. At least one is set, or All is.
	UID, GID *uint32
	// All redirects the calls of everyone in the network namespace.
	All bool
	// OutboundPort is the gateway's port for calls of the program.
	OutboundPort uint16
	// Inbound are the program's ports, calls to which from other machines are
	// redirected; at most 100.
	Inbound []uint16
	// InboundPort is the gateway's port for calls to the program.
	InboundPort uint16
	// ExcludePorts and Exclude are where calls are left alone; at most 100 each.
	ExcludePorts []uint16
	Exclude      []netip.Prefix
	// Mark is that of the gateway's own packets, which are left alone.
	Mark uint32
}

// listMax bounds the ports and the networks.
const listMax = 100

// Outbound reports whether any calls of the program are redirected.
func (r *Rules) Outbound() bool { return r.All || r.UID != nil || r.GID != nil }

// Validate returns a [policy.FieldError] for every problem, joined.
func (r *Rules) Validate() error {
	var problems []error
	add := func(field, problem string) {
		problems = append(problems, &policy.FieldError{Field: field, Problem: problem})
	}
	if !r.Outbound() && len(r.Inbound) == 0 {
		add("user", "whose calls are to be redirected? Write --user NAME or --group NAME, or --all for everything in this network namespace, or --inbound PORT for the calls to a program alone")
	}
	if r.All && (r.UID != nil || r.GID != nil) {
		add("all", "is for everyone, and --user and --group are for some: write one of them")
	}
	if r.OutboundPort == 0 || r.InboundPort == 0 || r.OutboundPort == r.InboundPort {
		add("outbound-port", "the gateway needs two different ports from 1 to 65535")
	}
	if r.Mark == 0 {
		add("mark", "without a mark the gateway's own calls would come back to it")
	}
	for name, ports := range map[string][]uint16{"inbound": r.Inbound, "exclude-port": r.ExcludePorts} {
		if slices.Contains(ports, 0) || len(ports) > listMax {
			add(name, fmt.Sprintf("want at most %d ports from 1 to 65535", listMax))
		}
	}
	if slices.Contains(r.Inbound, r.InboundPort) || slices.Contains(r.Inbound, r.OutboundPort) {
		add("inbound", "a port of the gateway itself cannot be the program's")
	}
	if len(r.Exclude) > listMax {
		add("exclude", fmt.Sprintf("want at most %d networks", listMax))
	}
	for _, p := range r.Exclude {
		if !p.IsValid() || p.Addr().Zone() != "" || p.Addr().Is4In6() {
			add("exclude", fmt.Sprintf("want a network such as 10.0.0.0/8, got %v", p))
		}
	}
	return errors.Join(problems...)
}

// Script is what nft is given: it makes the table, and fails where there is
// one. All in it comes from numbers and addresses; owner is a name of ours.
func (r *Rules) Script(owner string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("create table inet %s", Table)
	line("add chain inet %s %s", Table, owner)
	if r.Outbound() {
		line("add chain inet %s output { type nat hook output priority -100; policy accept; }", Table)
		rule := func(format string, args ...any) { line("add rule inet "+Table+" output "+format, args...) }
		rule("meta mark %d return", r.Mark)
		rule("meta l4proto != tcp return")
		if r.UID != nil {
			rule("meta skuid != %d return", *r.UID)
		}
		if r.GID != nil {
			rule("meta skgid != %d return", *r.GID)
		}
		rule("fib daddr type local return")
		if v4, v6 := families(r.Exclude); len(v4)+len(v6) > 0 {
			if len(v4) > 0 {
				rule("ip daddr { %s } return", strings.Join(v4, ", "))
			}
			if len(v6) > 0 {
				rule("ip6 daddr { %s } return", strings.Join(v6, ", "))
			}
		}
		if len(r.ExcludePorts) > 0 {
			rule("tcp dport { %s } return", list(r.ExcludePorts))
		}
		rule("meta l4proto tcp counter redirect to :%d", r.OutboundPort)
	}
	if len(r.Inbound) > 0 {
		line("add chain inet %s prerouting { type nat hook prerouting priority -100; policy accept; }", Table)
		line(`add rule inet %s prerouting iifname "lo" return`, Table)
		line("add rule inet %s prerouting fib daddr type local tcp dport { %s } counter redirect to :%d", Table, list(r.Inbound), r.InboundPort)
	}
	return b.String()
}

// families are the networks of IPv4 and of IPv6. None stands within another:
// a set refuses that.
func families(all []netip.Prefix) (v4, v6 []string) {
	for i, p := range all {
		p = p.Masked()
		within := slices.ContainsFunc(all, func(o netip.Prefix) bool {
			return o.Masked() != p && o.Bits() < p.Bits() && o.Contains(p.Addr())
		})
		again := slices.ContainsFunc(all[:i], func(o netip.Prefix) bool { return o.Masked() == p })
		switch {
		case within || again:
		case p.Addr().Is4():
			v4 = append(v4, p.String())
		default:
			v6 = append(v6, p.String())
		}
	}
	return v4, v6
}

func list(ports []uint16) string {
	ports = slices.Clone(ports)
	slices.Sort(ports)
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(slices.Compact(ports)), " ", ", "), "[]")
}
