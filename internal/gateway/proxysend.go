package gateway

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// appendProxyHeader appends a header of the PROXY protocol that says from whom
// and to where a connection came.
func appendProxyHeader(b []byte, version ProxyProtocol, client, local netip.AddrPort) []byte {
	from, to := client.Addr().Unmap().WithZone(""), local.Addr().Unmap().WithZone("")
	if from.IsValid() && from.Is4() != to.Is4() { // a header has one family
		from, to = netip.AddrFrom16(from.As16()), netip.AddrFrom16(to.As16())
	}
	if version == ProxyProtocolV1 {
		return appendProxyLine(b, netip.AddrPortFrom(from, client.Port()), netip.AddrPortFrom(to, local.Port()))
	}
	b = append(b, proxySignature...)
	if !from.IsValid() {
		return append(b, 0x20, 0, 0, 0) // Afloat's own
	}
	family := byte(0x11)
	if from.Is6() {
		family = 0x21
	}
	b = append(b, 0x21, family)
	b = binary.BigEndian.AppendUint16(b, uint16(2*from.BitLen()/8+4))
	b = append(append(b, from.AsSlice()...), to.AsSlice()...)
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, client.Port()), local.Port())
}

func appendProxyLine(b []byte, client, local netip.AddrPort) []byte {
	switch {
	case !client.IsValid():
		return append(b, "PROXY UNKNOWN\r\n"...)
	case client.Addr().Is4():
		return fmt.Appendf(b, "PROXY TCP4 %s %s %d %d\r\n", client.Addr(), local.Addr(), client.Port(), local.Port())
	}
	return fmt.Appendf(b, "PROXY TCP6 %s %s %d %d\r\n", client.Addr(), local.Addr(), client.Port(), local.Port())
}
