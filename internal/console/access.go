package console

import (
	"context"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/alert"
)

// Role is what somebody may do.
type Role string

// The roles.
const (
	RoleReader   Role = "reader"   // may look
	RoleOperator Role = "operator" // may look and act
)

// Enum lists the roles.
func (Role) Enum() []string { return []string{string(RoleReader), string(RoleOperator)} }

// covers reports whether the role suffices where another one is asked for.
func (r Role) covers(asked Role) bool {
	return asked == "" || r == asked || r == RoleOperator
}

// Principal is who asks.
type Principal struct {
	// Name is known of those who are logged in by name; else it is empty.
	Name string
	// Role is empty of one who has not shown anything.
	Role Role
}

// Access says who may do what.
type Access struct {
	// Token is an operator's and ReadToken a reader's, sent as "Authorization:
	// Bearer TOKEN". Without any of these all who ask under a loopback name may
	// look, those of them who are this process's user, or root, may act, and
	// nobody else gets an answer.
	Token, ReadToken string
	// OIDC lets people log in by name; nil: nobody does.
	OIDC *OIDC
}

// open reports whether nothing needs to be shown.
func (a Access) open() bool { return a.Token == "" && a.ReadToken == "" && a.OIDC == nil }

// guard lets those in who may be.
type guard struct {
	Access
	sessions *sessions
	provider *provider // nil without OIDC
	origin   *http.CrossOriginProtection
	guesses  guesses
}

func newGuard(a Access) *guard {
	return &guard{Access: a, sessions: new(sessions), provider: newProvider(a.OIDC), origin: http.NewCrossOriginProtection()}
}

type principalKey struct{}

// principalOf is who sent a request that was admitted.
func principalOf(r *http.Request) Principal {
	p, _ := r.Context().Value(principalKey{}).(Principal)
	return p
}

const otherSite = "a page of another site may not ask for this"

// admit asks for a role, and that no other site's page does.
func (g *guard) admit(role Role, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := g.principal(r)
		switch {
		case role != "" && r.Header.Get("Sec-Fetch-Site") == "cross-site": // its page cannot read the answer, but could have it worked out
			http.Error(w, otherSite, http.StatusForbidden)
		case !ok:
			tellToWait(w)
		case role == RoleOperator && g.open() && stranger(r):
			http.Error(w, "without a token, only the user that Afloat runs as, and root, may change anything: ask as that user, or set admin.token", http.StatusForbidden)
		case p.Role.covers(role):
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), principalKey{}, p)))
		case p.Role == "":
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "a token is needed: send Authorization: Bearer TOKEN", http.StatusUnauthorized)
		default:
			http.Error(w, "this takes the role "+string(role)+", and you are "+string(p.Role), http.StatusForbidden)
		}
	})
}

// mount admits readers to what changes nothing, and operators to all.
func (g *guard) mount(m Mount) http.Handler {
	named := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del(alert.UserHeader)
		if p := principalOf(r); p.Name != "" {
			r.Header.Set(alert.UserHeader, p.Name)
		}
		m.Handler.ServeHTTP(w, r)
	})
	look, act := g.admit(RoleReader, named), g.admit(RoleOperator, named)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.Reads || r.Method == http.MethodGet || r.Method == http.MethodHead {
			look.ServeHTTP(w, r)
		} else {
			act.ServeHTTP(w, r)
		}
	})
}

// principal is who sent a request; ok is false where a token is not looked at.
func (g *guard) principal(r *http.Request) (p Principal, ok bool) {
	if g.open() {
		return Principal{Role: RoleOperator}, true // asked under a loopback name
	}
	if token, shown := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); shown {
		p.Role, ok = g.try(r, token)
		return p, ok
	}
	return g.sessions.find(r), true
}

// still reports whether one who was admitted to look would be so now.
func (g *guard) still(r *http.Request) bool {
	if g.open() {
		return true
	}
	if token, shown := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); shown {
		return g.roleOf(token) != ""
	}
	return g.sessions.find(r).Role != ""
}

// try is what a token stands for; empty for a wrong one. It is not ok where the
// client has shown too many of those.
func (g *guard) try(r *http.Request, token string) (role Role, ok bool) {
	now := time.Now()
	if g.guesses.tooMany(r, now) {
		return "", false
	}
	if role = g.roleOf(token); role == "" {
		g.guesses.wrong(r, now)
	}
	return role, true
}

func (g *guard) roleOf(token string) Role {
	switch {
	case same(token, g.Token):
		return RoleOperator
	case same(token, g.ReadToken):
		return RoleReader
	}
	return ""
}

// same compares a token in a time that says nothing about it. An empty one is
// never right.
func same(got, want string) bool {
	return want != "" && subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}

// secure refuses what a page of another site makes a browser send, and tells
// browsers what the page may do. Without a token only requests to a loopback
// name are answered, so that no page in a browser can be made to ask for
// anything under a name of its own.
func (g *guard) secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		if strings.HasPrefix(r.URL.Path, "/api/") {
			h.Set("Cache-Control", "no-store")
		}
		if g.open() && r.URL.Path != healthPath && !loopbackHost(r.Host) {
			http.Error(w, "without a token, the API answers only to a loopback name", http.StatusForbidden)
			return
		}
		if err := g.origin.Check(r); err != nil {
			http.Error(w, otherSite, http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// contentPolicy lets the page load what Afloat itself serves, and nothing else:
// no script or style in the page, none from elsewhere, no frame.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; " +
	"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func loopbackHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}
