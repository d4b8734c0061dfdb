package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/user"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/sidecar"
	"github.com/afloat-dev/afloat/policy"
)

// capture is what the command line says of the connections to redirect.
type capture struct {
	user, group               string
	all, replace, dryRun      bool
	inbound, excludePorts     []uint
	exclude                   []string
	outboundPort, inboundPort uint16
}

func (f *capture) register(c *cobra.Command) {
	c.Flags().StringVar(&f.user, "user", "", "redirect the calls of the processes of this `USER`, a name or a number")
	c.Flags().StringVar(&f.group, "group", "", "redirect the calls of the processes of this `GROUP`")
	c.Flags().BoolVar(&f.all, "all", false, "redirect the calls of every process in this network namespace")
	c.Flags().UintSliceVar(&f.inbound, "inbound", nil, "redirect the calls that come from elsewhere to these `PORTS` of the program")
	c.Flags().UintSliceVar(&f.excludePorts, "exclude-port", nil, "leave calls to these `PORTS` alone")
	c.Flags().StringSliceVar(&f.exclude, "exclude", nil, "leave calls to these `NETWORKS` alone, as 10.0.0.0/8")
	c.Flags().Uint16Var(&f.outboundPort, "outbound-port", 15001, "the gateway's `PORT` for calls of the program")
	c.Flags().Uint16Var(&f.inboundPort, "inbound-port", 15006, "the gateway's `PORT` for calls to the program")
	c.Flags().BoolVar(&f.replace, "replace", false, "take the place of rules that are there, as of a sidecar that was killed")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "print the rules and change nothing")
}

// rules checks what was said. Problems come all together.
func (f *capture) rules() (*sidecar.Rules, error) {
	r := &sidecar.Rules{All: f.all, OutboundPort: f.outboundPort, InboundPort: f.inboundPort, Mark: gateway.Mark}
	var problems []error
	add := func(flag string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("--%s: %w", flag, err))
		}
	}
	var err error
	r.UID, err = userNumber(f.user)
	add("user", err)
	r.GID, err = groupNumber(f.group)
	add("group", err)
	r.Inbound, err = portNumbers(f.inbound)
	add("inbound", err)
	r.ExcludePorts, err = portNumbers(f.excludePorts)
	add("exclude-port", err)
	for _, one := range f.exclude {
		p, err := network(one)
		add("exclude", err)
		r.Exclude = append(r.Exclude, p)
	}
	if len(problems) == 0 {
		problems = append(problems, flagProblems(r.Validate())...)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, &exit{code: exitUsage, err: err}
	}
	return r, nil
}

// up puts the rules in place.
func (f *capture) up(ctx context.Context, r *sidecar.Rules, owner string) error {
	put := sidecar.Up
	if f.replace {
		put = sidecar.Replace
	}
	if err := put(ctx, r, owner); err != nil {
		return &exit{code: exitUsage, err: err}
	}
	return nil
}

// flagProblems names the flags in the place of the fields.
func flagProblems(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, one := range joined.Unwrap() {
		if e, ok := errors.AsType[*policy.FieldError](one); ok {
			one = fmt.Errorf("--%s: %s", e.Field, e.Problem)
		}
		all = append(all, one)
	}
	return all
}

func userNumber(name string) (*uint32, error) {
	if name == "" {
		return nil, nil
	}
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return new(uint32(n)), nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("there is no user %q", name)
	}
	return userNumber(u.Uid)
}

func groupNumber(name string) (*uint32, error) {
	if name == "" {
		return nil, nil
	}
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return new(uint32(n)), nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return nil, fmt.Errorf("there is no group %q", name)
	}
	return groupNumber(g.Gid)
}

func portNumbers(all []uint) ([]uint16, error) {
	var ports []uint16
	for _, p := range all {
		if p == 0 || p > 65535 {
			return nil, fmt.Errorf("want ports from 1 to 65535, got %d", p)
		}
		ports = append(ports, uint16(p))
	}
	return ports, nil
}

// network is a network, or a single address.
func network(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("want a network such as 10.0.0.0/8, got %q", text)
	}
	return p, nil
}

// listeners are where the redirected connections arrive: the program's own
// calls on loopback, calls to it on the address that they came to.
func (f *capture) listeners(r *sidecar.Rules) (outbound, inbound []string) {
	port := func(n uint16) string { return strconv.Itoa(int(n)) }
	if r.Outbound() {
		outbound = append(outbound, net.JoinHostPort("127.0.0.1", port(r.OutboundPort)))
	}
	if len(r.Inbound) > 0 {
		inbound = append(inbound, net.JoinHostPort("0.0.0.0", port(r.InboundPort)))
	}
	if !hasIPv6() {
		return outbound, inbound
	}
	if r.Outbound() {
		outbound = append(outbound, net.JoinHostPort("::1", port(r.OutboundPort)))
	}
	if len(r.Inbound) > 0 {
		inbound = append(inbound, net.JoinHostPort("::", port(r.InboundPort)))
	}
	return outbound, inbound
}

func hasIPv6() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	_ = l.Close() // it has served nobody
	return true
}

// script is what a dry run prints.
func (f *capture) script(s *streams, r *sidecar.Rules) {
	fmt.Fprint(s.out, strings.TrimSuffix(r.Script("owner_0_dryrun"), "\n")+"\n")
}
