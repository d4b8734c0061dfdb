package console

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"
)

// Session is who asks, and what they may do.
type Session struct {
	// Role is empty of one who has to log in.
	Role Role   `json:"role,omitempty"`
	Name string `json:"name,omitempty"`
	// Methods are the ways to log in: "token" and "oidc". Where there is none,
	// nobody needs to.
	Methods []string `json:"methods"`
}

// Login is what a browser logs in with.
type Login struct {
	Token string `json:"token"`
}

const (
	sessionCookie = "afloat_session"
	// sessionLife is how long a browser stays logged in.
	sessionLife = 12 * time.Hour
	// sessionsMax bounds the browsers that are logged in; the oldest make room.
	sessionsMax = 1000
)

// sessions are the browsers that are logged in, known by a cookie that scripts
// cannot read and that no other site's page can have sent.
type sessions struct {
	mu   sync.Mutex // guards what follows
	held map[[sha256.Size]byte]session
}

type session struct {
	Principal
	ends time.Time
}

// begin logs a browser in.
func (s *sessions) begin(w http.ResponseWriter, p Principal, secure bool) {
	id := rand.Text()
	now := time.Now()
	s.mu.Lock()
	s.sweep(now)
	if s.held == nil {
		s.held = map[[sha256.Size]byte]session{}
	}
	s.held[sha256.Sum256([]byte(id))] = session{p, now.Add(sessionLife)}
	s.mu.Unlock()
	http.SetCookie(w, sessionCookieOf(id, int(sessionLife/time.Second), secure))
}

// sweep forgets those whose time is up and, where there are too many, the one
// that ends first, of readers before operators: who only looks logs nobody out
// who acts. The caller holds mu.
func (s *sessions) sweep(now time.Time) {
	var first [sha256.Size]byte
	for id, one := range s.held {
		if now.After(one.ends) {
			delete(s.held, id)
		} else if was, ok := s.held[first]; !ok || one.goesBefore(was) {
			first = id
		}
	}
	if len(s.held) >= sessionsMax {
		delete(s.held, first)
	}
}

func (s session) goesBefore(other session) bool {
	if s.Role != other.Role {
		return s.Role == RoleReader
	}
	return s.ends.Before(other.ends)
}

func sessionCookieOf(id string, age int, secure bool) *http.Cookie {
	return &http.Cookie{Name: sessionCookie, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: secure, MaxAge: age}
}

func (s *sessions) find(r *http.Request) Principal {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return Principal{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.held[sha256.Sum256([]byte(c.Value))]; time.Now().Before(one.ends) {
		return one.Principal
	}
	return Principal{}
}

func (s *sessions) end(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(sessionCookie); err == nil {
		s.mu.Lock()
		delete(s.held, sha256.Sum256([]byte(c.Value)))
		s.mu.Unlock()
	}
	http.SetCookie(w, sessionCookieOf("", -1, r.TLS != nil))
}

func (g *guard) whoAsks(w http.ResponseWriter, r *http.Request) {
	g.tell(w, principalOf(r))
}

func (g *guard) tell(w http.ResponseWriter, p Principal) {
	s := Session{Role: p.Role, Name: p.Name, Methods: []string{}}
	if g.Token != "" || g.ReadToken != "" {
		s.Methods = append(s.Methods, "token")
	}
	if g.OIDC != nil {
		s.Methods = append(s.Methods, "oidc")
	}
	writeJSON(w, s)
}

func (g *guard) logIn(w http.ResponseWriter, r *http.Request) {
	var l Login
	if !readJSON(w, r, &l) {
		return
	}
	role, ok := g.try(r, l.Token)
	switch {
	case !ok:
		tellToWait(w)
		return
	case role == "":
		http.Error(w, "this is not the token", http.StatusUnauthorized)
		return
	}
	p := Principal{Role: role}
	g.sessions.begin(w, p, r.TLS != nil)
	g.tell(w, p)
}

func (g *guard) logOut(w http.ResponseWriter, r *http.Request) {
	g.sessions.end(w, r)
	w.WriteHeader(http.StatusNoContent)
}
