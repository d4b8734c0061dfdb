package gateway

import (
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"strings"
)

// Of the PROXY protocol, by which a balancer of connections tells whose it
// passes on. See https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt.
const (
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n" // of version 2
	proxyPrefix    = "PROXY "                 // of version 1
	proxyLineMax   = 107
	proxyExtraMax  = 4 << 10 // bytes after version 2's fixed part
)

var errProxyHeader = errors.New("the connection does not begin with a valid header of the PROXY protocol")

// readProxyHeader reads the header, and not a byte more. The address is not
// valid where the balancer speaks for itself, or does not know.
func readProxyHeader(r io.Reader) (client netip.AddrPort, err error) {
	head := make([]byte, len(proxySignature), proxyLineMax) // the shortest line of version 1 is longer
	if _, err := io.ReadFull(r, head); err != nil {
		return client, err
	}
	switch {
	case string(head) == proxySignature:
		return readProxyBlock(r)
	case strings.HasPrefix(string(head), proxyPrefix):
		return readProxyLine(r, head)
	}
	return client, errProxyHeader
}

// readProxyLine reads the rest of version 1's line.
func readProxyLine(r io.Reader, line []byte) (client netip.AddrPort, err error) {
	for !strings.HasSuffix(string(line), "\r\n") {
		if len(line) == cap(line) {
			return client, errProxyHeader
		}
		line = line[:len(line)+1]
		if _, err := io.ReadFull(r, line[len(line)-1:]); err != nil {
			return client, err
		}
	}
	words := strings.Split(strings.TrimSuffix(string(line), "\r\n"), " ")
	if len(words) > 1 && words[1] == "UNKNOWN" {
		return client, nil
	}
	if len(words) != 6 || words[1] != "TCP4" && words[1] != "TCP6" {
		return client, errProxyHeader
	}
	client, err = netip.ParseAddrPort(addressOf(words[2], words[4]))
	if err != nil || client.Addr().Is4() != (words[1] == "TCP4") || client.Addr().Zone() != "" {
		return netip.AddrPort{}, errProxyHeader
	}
	return client, nil
}

func addressOf(host, port string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port
}

// readProxyBlock reads what follows version 2's signature. Its extensions are
// passed over.
func readProxyBlock(r io.Reader) (client netip.AddrPort, err error) {
	var fixed [4]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return client, err
	}
	const version2, local, proxied = 0x20, 0x20, 0x21
	n := int(binary.BigEndian.Uint16(fixed[2:]))
	if fixed[0]&0xf0 != version2 || fixed[0] != local && fixed[0] != proxied || n > proxyExtraMax {
		return client, errProxyHeader
	}
	rest := make([]byte, n)
	if _, err := io.ReadFull(r, rest); err != nil {
		return client, err
	}
	size := map[byte]int{0x11: 4, 0x21: 16}[fixed[1]] // TCP over IPv4 and IPv6; of others the address says nothing
	if fixed[0] == local || size == 0 {
		return client, nil
	}
	if n < 2*size+4 {
		return client, errProxyHeader
	}
	address, _ := netip.AddrFromSlice(rest[:size])
	return netip.AddrPortFrom(address.Unmap(), binary.BigEndian.Uint16(rest[2*size:])), nil
}
