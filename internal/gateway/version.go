package gateway

import (
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

// among are the endpoints that the request may go to.
func (x *exchange) among() *subset {
	if x.version != nil {
		return x.version.subset
	}
	return x.to.subset
}

// belongsTo are the endpoints that the request is meant for, before a try finds
// them out of order.
func (x *exchange) belongsTo() *subset {
	if s := x.to.service.split.Load(); s != nil && x.to.subset == &x.to.service.subset {
		return s.belongs(x).subset
	}
	return x.to.subset
}

// chooseVersion finds the version that a try goes to. It is asked before each
// try, so that one is left alone from the moment in which its share ends.
func (x *exchange) chooseVersion() {
	if x.pinned {
		return
	}
	x.version = nil
	s := x.to.service.split.Load()
	if s == nil || x.to.subset != &x.to.service.subset {
		return
	}
	x.version = s.version(x)
}

// version is where the request belongs, or, where that has no usable endpoint,
// another one that takes requests.
func (s *split) version(x *exchange) *version {
	if i := s.previewed(x); i >= 0 {
		return &s.versions[i]
	}
	v := s.matching(x)
	if v == nil {
		v = s.drawn(x)
		if repeated := len(x.tried) > 0 && x.lane == nil; repeated && s.versions[0].subset.otherUsable(x.tried) {
			return &s.versions[0]
		}
	}
	if v.subset.otherUsable(x.tried) {
		return v
	}
	for i := range s.versions {
		other := &s.versions[i]
		if (i == 0 || other.Share > 0) && other.subset.otherUsable(x.tried) {
			return other
		}
	}
	return v
}

// belongs is where the request belongs, usable or not.
func (s *split) belongs(x *exchange) *version {
	if i := s.previewed(x); i >= 0 {
		return &s.versions[i]
	}
	if v := s.matching(x); v != nil {
		return v
	}
	return s.drawn(x)
}

// previewed is the place of the version that the request's listener shows; -1
// where it is a listener for everybody.
func (s *split) previewed(x *exchange) int {
	if c := x.session.listener.config.Load(); c.Preview == "" || c.Preview != x.to.service.name {
		return -1
	}
	return slices.IndexFunc(s.versions, func(v version) bool { return v.Preview })
}

func (s *split) matching(x *exchange) *version {
	for i := range s.versions {
		v := &s.versions[i]
		if slices.ContainsFunc(v.match, func(m matcher) bool { return m.matches(x) }) {
			return v
		}
	}
	return nil
}

// drawn is the version by the request's draw, which is the same for all tries of
// the request and, where users are known, for all requests of a user.
func (s *split) drawn(x *exchange) *version {
	if x.drawn == 0 {
		x.drawn = s.draw(x) | 1
	}
	at := unit(x.drawn)
	for i := range s.versions[1:] {
		if v := &s.versions[1+i]; v.from <= at && at < v.to {
			return v
		}
	}
	return &s.versions[0]
}

func (s *split) draw(x *exchange) uint64 {
	if name := s.cookieName(x.route.sticky); name != "" {
		value, _ := cookie(x.request.Fields, name)
		if len(value) != versionText {
			value = newUser()
			x.newcomer = &http.Cookie{Name: name, Value: string(value), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
				Secure: string(x.originator.scheme) == "https", MaxAge: int(s.sticky.TTL / time.Second)}
		}
		return mix(hashOf(value) ^ s.salt)
	}
	if s.sticky.Key != (KeyConfig{}) {
		return mix(hashOf(x.appendKey(nil, &s.sticky.Key)) ^ s.salt)
	}
	return rand.Uint64()
}

// versionText is how long the value is by which a user is known.
const versionText = 16

// newUser is the value of a user's cookie. It says nothing about them, nor which
// version they get: that changes with the shares.
func newUser() []byte {
	var b [versionText / 2]byte
	n := rand.Uint64()
	for i := range b {
		b[i] = byte(n >> (8 * i))
	}
	return hex.AppendEncode(nil, b[:])
}

// greet gives a new user the cookie.
func (x *exchange) greet() {
	if x.newcomer != nil && x.upstream != nil {
		x.extras.addText(nameSetCookie, x.newcomer.String())
	}
}

// mirrorVersions sends copies of the request to versions that are to be seen at
// work before they serve anybody.
func (x *exchange) mirrorVersions(s *split) {
	if x.to.subset != &x.to.service.subset || !safe(x.request.Method) {
		return
	}
	for i := range s.versions {
		v := &s.versions[i]
		for j := range v.mirror {
			m := &v.mirror[j]
			if share := float64(m.config.Share); share < 1 && rand.Float64() >= share {
				continue
			}
			x.sendCopy(m, func() *exchange { return x.copyFor(v, m) })
		}
	}
}

// copyFor is a copy that asks for what the request asks for, and goes to the
// version whatever its share is.
func (x *exchange) copyFor(v *version, m *mirror) *exchange {
	r, to := *m.route, m.route.to[0]
	r.rewrite, to.requestEdits = x.route.rewrite, x.to.requestEdits
	r.to = []destination{to}
	y := x.copy(&r)
	y.version, y.pinned = v, true
	v.requests.Add(1)
	return y
}
