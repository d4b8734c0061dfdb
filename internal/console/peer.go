package console

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// stranger reports whether a request of this machine comes from another user
// than this process's, and not from root. Where the system does not say whose a
// connection is, nobody is one.
func stranger(r *http.Request) bool {
	client, err := netip.ParseAddrPort(r.RemoteAddr)
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if err != nil || !ok {
		return false
	}
	uid, known := userOf(client, local.AddrPort())
	return known && uid != 0 && uid != os.Geteuid()
}

// userOf is the user whose socket connects from one address to another, both of
// this machine, as Linux lists it. It is not known where there is no list, and
// none (-1) where the list does not have the socket.
func userOf(from, to netip.AddrPort) (uid int, known bool) {
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		uid, listed, err := userIn(name, from, to)
		switch {
		case err != nil:
		case listed:
			return uid, true
		default:
			known = true
		}
	}
	return -1, known
}

func userIn(name string, from, to netip.AddrPort) (uid int, listed bool, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	from, to = unmapped(from), unmapped(to)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 || listedAddress(fields[1]) != from || listedAddress(fields[2]) != to {
			continue
		}
		uid, err := strconv.Atoi(fields[7])
		return uid, err == nil, err
	}
	return 0, false, lines.Err()
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// listedAddress reads an address of such a list: words of 32 bits in the order
// of the machine, and a port, in hexadecimal.
func listedAddress(text string) netip.AddrPort {
	address, port, _ := strings.Cut(text, ":")
	n, err1 := strconv.ParseUint(port, 16, 16)
	b, err2 := hex.DecodeString(address)
	if err1 != nil || err2 != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}
	}
	for word := b; len(word) > 0; word = word[4:] {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	ip, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n))
}
