package gateway

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// StickyConfig keeps the requests of a client at the service and endpoint that
// answered its first one, for as long as that is usable and has a weight. New
// clients are shared by weight, so that shares keep to the weights.
type StickyConfig struct {
	// Cookie is the name of the cookie that clients are known by. Default
	// afloat-session, where there is no Header.
	Cookie string `yaml:"cookie"`
	// TTL is how long clients keep the cookie. Default: until they end.
	TTL time.Duration `yaml:"ttl"`
	// Header is the name of a header in place of a cookie: responses have it,
	// and clients send it again.
	Header string `yaml:"header"`
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c StickyConfig) WithDefaults() StickyConfig {
	if c.Header == "" {
		c.Cookie = cmp.Or(c.Cookie, "afloat-session")
	}
	return c
}

// place is a destination and an endpoint of it, by the hashes of their names:
// what a client is told of them says nothing, and holds in every gateway.
type place struct{ service, endpoint uint64 }

// placeText is how long a place is as text.
const placeText = 32

func placeOf(to *destination, e *endpoint) place {
	return place{to.subset.hash, e.hash}
}

func (p place) text() string {
	var b [placeText / 2]byte
	binary.BigEndian.PutUint64(b[:], p.service)
	binary.BigEndian.PutUint64(b[8:], p.endpoint)
	return hex.EncodeToString(b[:])
}

func readPlace(text []byte) (p place, ok bool) {
	var b [placeText / 2]byte
	if len(text) != placeText {
		return p, false
	}
	if _, err := hex.Decode(b[:], text); err != nil {
		return p, false
	}
	return place{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}, true
}

// settled finds where the client's requests go already, and its destination;
// nil where that has no share any more.
func (x *exchange) settled() *destination {
	var said []byte
	if c := x.route.sticky; c.Header != "" {
		said = x.request.Get(c.Header)
	} else {
		said, _ = cookie(x.request.Fields, c.Cookie)
	}
	var ok bool
	if x.place, ok = readPlace(said); !ok {
		return nil
	}
	for i := range x.route.to {
		if to := &x.route.to[i]; to.weight > 0 && to.subset.hash == x.place.service {
			return to
		}
	}
	return nil
}

// home is the endpoint that the client's requests go to already, with the
// permission to try it.
func (x *exchange) home() (c choice, ok bool) {
	if x.place.endpoint == 0 || len(x.tried) > 0 || x.to.subset.hash != x.place.service {
		return choice{}, false
	}
	for _, e := range *x.among().endpoints.Load() {
		if e.hash == x.place.endpoint {
			if !e.usable() {
				return choice{}, false
			}
			return e.take()
		}
	}
	return choice{}, false
}

// settle tells the client where its requests go from now on.
func (x *exchange) settle() {
	c, e := x.route.sticky, x.asked.endpoint
	if e == nil || x.upstream == nil {
		return // nobody has answered
	}
	now := placeOf(x.to, e)
	if c.Header != "" {
		x.extras.addText([]byte(c.Header), now.text())
		return
	}
	if now == x.place {
		return
	}
	set := http.Cookie{Name: c.Cookie, Value: now.text(), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: string(x.originator.scheme) == "https", MaxAge: int(c.TTL / time.Second)}
	x.extras.addText(nameSetCookie, set.String())
}

var nameSetCookie = []byte("Set-Cookie")

func (v *validator) sticky(c *StickyConfig, path ...string) {
	at := func(more ...string) []string { return append(slices.Clone(path), more...) }
	if c.Cookie != "" && !validToken(c.Cookie) {
		v.add("%s cannot be a cookie's name", []any{strconv.Quote(c.Cookie)}, at("cookie")...)
	}
	if c.Header != "" && !validToken(c.Header) {
		v.add("%s cannot be a header's name", []any{strconv.Quote(c.Header)}, at("header")...)
	}
	if c.Header != "" && (c.Cookie != "" || c.TTL != 0) {
		v.add("want a cookie or a header", nil, path...)
	}
	if c.TTL != 0 {
		v.period(c.TTL, 400*24*time.Hour, at("ttl")...)
	}
}
