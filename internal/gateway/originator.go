package gateway

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// originator is where a request came from: the other end of the connection, or who
// that names where it may be believed.
type originator struct {
	trusted bool // the other end is one of the trusted peers
	client  netip.Addr
	via     []byte // the client and those between, as X-Forwarded-For has them
	scheme  []byte
	host    []byte // that the client asked for; nil where HTTP/1.0 named none
	port    []byte // that the client asked at, where a peer said so
}

// hopsMax bounds the proxies that are believed in a row.
const hopsMax = 16

var (
	schemeHTTP  = []byte("http")
	schemeHTTPS = []byte("https")
	hopSeparate = []byte(", ")
)

// findOrigin finds out where the request came from.
func (x *exchange) findOrigin() {
	s := x.session
	x.originator = originator{client: s.client.Addr(), via: s.via, scheme: schemeHTTP, host: x.request.Host}
	o := &x.originator
	if s.tls {
		o.scheme = schemeHTTPS
	}
	if s.outbound() {
		o.trusted = true // what it says of where its calls come from is passed on
		return
	}
	if o.trusted = s.listener.trusts(s); !o.trusted {
		return
	}
	trusted := *s.listener.trusted.Load()
	if x.request.Get("Forwarded") != nil && !x.saysXForwarded() {
		o.followForwarded(x.request.Fields, trusted)
		return
	}
	o.follow(x.request.Fields, trusted)
	if p := x.request.Get("X-Forwarded-Proto"); string(p) == "http" || string(p) == "https" {
		o.scheme = p
	}
	if h := x.request.Get("X-Forwarded-Host"); http1.ValidHost(h) {
		o.host = h
	}
	if p := x.request.Get("X-Forwarded-Port"); len(p) > 0 && len(p) <= 5 && digits(p) {
		o.port = p
	}
}

// saysXForwarded reports whether the request has any of the fields of that
// family. Then Forwarded says nothing: a peer that knows only the one would pass
// the other on as its client made it up.
func (x *exchange) saysXForwarded() bool {
	const family = "x-forwarded-"
	return slices.ContainsFunc(x.request.Fields, func(f http1.Field) bool {
		return len(f.Name) > len(family) && http1.EqualFold(f.Name[:len(family)], family)
	})
}

// follow goes back from peer to peer as far as they may be believed. The client
// is the first who may not; what was said by it is left out. An underscore in
// the name is the client's: peers write what they say with hyphens.
func (o *originator) follow(fields []http1.Field, trusted networks) {
	var room [hopsMax][]byte
	hops := room[:0]
	for i := len(fields) - 1; i >= 0; i-- {
		if !http1.EqualFold(fields[i].Name, "x-forwarded-for") {
			continue
		}
		for rest := fields[i].Value; rest != nil; {
			hop := rest
			if comma := bytes.LastIndexByte(rest, ','); comma >= 0 {
				hop, rest = rest[comma+1:], rest[:comma]
			} else {
				rest = nil
			}
			address, ok := hopAddress(bytes.Trim(hop, " \t"))
			if !ok || len(hops) == hopsMax {
				o.join(hops)
				return
			}
			o.client = address
			if hops = append(hops, []byte(address.String())); !trusted.hold(address) {
				o.join(hops)
				return
			}
		}
	}
	o.join(hops)
}

// join makes a list of the hops, the last of which comes first.
func (o *originator) join(hops [][]byte) {
	if len(hops) == 0 {
		return
	}
	var via []byte
	for i := len(hops) - 1; i >= 0; i-- {
		via = append(append(via, hops[i]...), hopSeparate...)
	}
	o.via = append(via, o.via...)
}

// hopAddress is an address of X-Forwarded-For, with or without a port.
func hopAddress(text []byte) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(string(bytes.Trim(text, "[]"))); err == nil {
		return a.Unmap().WithZone(""), true
	}
	if a, err := netip.ParseAddrPort(string(text)); err == nil {
		return a.Addr().Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}

// trusts reports whether the other end of a session is one of the trusted
// peers.
func (l *listener) trusts(s *session) bool {
	if l.trusted.Load().hold(s.client.Addr()) {
		return true
	}
	if s.identity == "" {
		return false
	}
	for _, name := range l.config.Load().TrustedIdentities {
		if name == s.identity {
			return true
		}
	}
	return false
}

// idBytesMax bounds the id that a trusted peer gives a request.
const idBytesMax = 128

// findID gives the request its id: that of a trusted peer, or a new one.
func (x *exchange) findID() {
	if x.originator.trusted {
		if given := x.request.Get("X-Request-Id"); validID(given) {
			x.record.RequestID = given
			return
		}
	}
	var id [16]byte
	binary.LittleEndian.PutUint64(id[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64())
	hex.Encode(x.id[:], id[:])
	x.record.RequestID = x.id[:]
}

// validID reports whether an id can go anywhere that ids go.
func validID(id []byte) bool {
	for _, b := range id {
		if b <= ' ' || b >= 0x7f || b == '"' || b == '\\' || b == ',' || b == ';' {
			return false
		}
	}
	return len(id) > 0 && len(id) <= idBytesMax
}

func digits(text []byte) bool {
	for _, b := range text {
		if b < '0' || b > '9' {
			return false
		}
	}
	return len(text) > 0
}
