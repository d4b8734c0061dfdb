package gateway

import (
	"fmt"
	"net/netip"
)

// networks are sets of addresses.
type networks []netip.Prefix

// newNetworks compiles a list that has been validated.
func newNetworks(list []string) networks {
	var all networks
	for _, text := range list {
		if p, err := parseNetwork(text); err == nil {
			all = append(all, p)
		}
	}
	return all
}

// parseNetwork takes a network or a single address.
func parseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return p, fmt.Errorf("want an address or a network such as 10.0.0.0/8, got %q", text)
	case p != p.Masked():
		return p, fmt.Errorf("%q is an address within a network: write %s or %s", text, p.Masked(), p.Addr())
	case p.Addr().Is4In6():
		return p, fmt.Errorf("write %q as a network of IPv4", text)
	}
	return p, nil
}

// hold reports whether the address is in one of the networks.
func (n networks) hold(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for i := range n {
		if n[i].Contains(a) {
			return true
		}
	}
	return false
}
