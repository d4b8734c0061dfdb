package console

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"
)

// OIDC lets people log in by name at a provider of OpenID Connect.
type OIDC struct {
	// Issuer is the provider's URL, below which it describes itself.
	Issuer string
	// ClientID and ClientSecret are what Afloat is known by there.
	ClientID, ClientSecret string
	// URL is where browsers reach the console. The provider must allow it with
	// /api/v1/session/oidc/callback after it as a redirect.
	URL string
	// Operators and Readers are who may do what: verified e-mail addresses, and
	// groups, which have no @. Nobody else gets in.
	Operators, Readers []string
}

const (
	oidcPath     = "/api/v1/session/oidc"
	callbackPath = oidcPath + "/callback"
	loginCookie  = "afloat_login"
	// loginMax is how long somebody may take at the provider.
	loginMax = 10 * time.Minute
	// loginsMax bounds those who are there.
	loginsMax = 1000
	// providerMax bounds a call of the provider.
	providerMax = 10 * time.Second
)

// provider is an OIDC in use. It asks the provider about itself when somebody
// first logs in, so that Afloat starts without it.
type provider struct {
	OIDC
	client *http.Client
	asking singleflight.Group

	mu      sync.Mutex // guards what follows
	known   *oidc.Provider
	pending map[string]login // by the browser's cookie
}

// login is somebody who is at the provider.
type login struct {
	state, nonce, verifier string
	ends                   time.Time
}

func newProvider(o *OIDC) *provider {
	if o == nil {
		return nil
	}
	return &provider{OIDC: *o, client: &http.Client{Timeout: providerMax}, pending: map[string]login{}}
}

// discover is what the provider says of itself. The caller holds no lock, so
// that a slow provider holds up nobody else.
func (p *provider) discover(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	p.mu.Lock()
	known := p.known
	p.mu.Unlock()
	if known == nil {
		// The provider keeps the context for its keys: it must outlive the request. It is asked once for all who wait.
		found, err, _ := p.asking.Do("", func() (any, error) {
			return oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client), p.Issuer)
		})
		if err != nil {
			return nil, nil, fmt.Errorf("ask the provider: %w", err)
		}
		p.mu.Lock()
		p.known = found.(*oidc.Provider)
		known = p.known
		p.mu.Unlock()
	}
	return known, &oauth2.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: known.Endpoint(),
		RedirectURL: strings.TrimSuffix(p.URL, "/") + callbackPath, Scopes: scopes(known),
	}, nil
}

// scopes are what is asked for. Groups are where the provider says so: others
// refuse a scope that they do not know.
func scopes(known *oidc.Provider) []string {
	all := []string{oidc.ScopeOpenID, "profile", "email"}
	var says struct {
		Scopes []string `json:"scopes_supported"`
	}
	if known.Claims(&says) == nil && slices.Contains(says.Scopes, "groups") {
		all = append(all, "groups")
	}
	return all
}

// begin sends a browser to the provider.
func (p *provider) begin(w http.ResponseWriter, r *http.Request) {
	_, config, err := p.discover(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	id, l := rand.Text(), login{rand.Text(), rand.Text(), oauth2.GenerateVerifier(), time.Now().Add(loginMax)}
	p.mu.Lock()
	p.sweep(time.Now())
	p.pending[id] = l
	p.mu.Unlock()
	http.SetCookie(w, p.cookie(id, int(loginMax/time.Second)))
	http.Redirect(w, r, config.AuthCodeURL(l.state, oidc.Nonce(l.nonce), oauth2.S256ChallengeOption(l.verifier)), http.StatusSeeOther)
}

// sweep forgets logins whose time is up and, where there are too many, the one
// that was begun first. The caller holds mu.
func (p *provider) sweep(now time.Time) {
	first := ""
	for id, one := range p.pending {
		if now.After(one.ends) {
			delete(p.pending, id)
		} else if was, ok := p.pending[first]; !ok || one.ends.Before(was.ends) {
			first = id
		}
	}
	if len(p.pending) >= loginsMax {
		delete(p.pending, first)
	}
}

// cookie ties a login to the browser that began it. It is lax, since the browser
// comes back from the provider's site.
func (p *provider) cookie(id string, age int) *http.Cookie {
	return &http.Cookie{Name: loginCookie, Value: id, Path: oidcPath, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: p.secure(), MaxAge: age}
}

func (p *provider) secure() bool {
	u, err := url.Parse(p.URL)
	return err == nil && u.Scheme == "https"
}

var errLogin = errors.New("this login was begun elsewhere, or too long ago: begin again")

// finish takes a browser that comes back, and says who it is.
func (p *provider) finish(w http.ResponseWriter, r *http.Request) (Principal, int, error) {
	l, err := p.take(r)
	http.SetCookie(w, p.cookie("", -1))
	switch query := r.URL.Query(); {
	case err != nil:
		return Principal{}, http.StatusBadRequest, err
	case !same(query.Get("state"), l.state):
		return Principal{}, http.StatusBadRequest, errLogin
	case query.Get("error") != "":
		return Principal{}, http.StatusForbidden, fmt.Errorf("the provider refused: %s %s", query.Get("error"), query.Get("error_description"))
	}
	c, err := p.claims(r, l)
	if err != nil {
		return Principal{}, http.StatusBadGateway, err
	}
	who := Principal{Name: c.name(), Role: p.roleOf(c)}
	if who.Role == "" {
		return who, http.StatusForbidden, fmt.Errorf("%s is neither among the operators nor among the readers", who.Name)
	}
	return who, 0, nil
}

// take ends the wait for a browser.
func (p *provider) take(r *http.Request) (login, error) {
	c, err := r.Cookie(loginCookie)
	if err != nil {
		return login{}, errLogin
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l, ok := p.pending[c.Value]
	delete(p.pending, c.Value)
	if !ok || time.Now().After(l.ends) {
		return login{}, errLogin
	}
	return l, nil
}

// claims are what the provider vouches for.
type claims struct {
	Subject  string `json:"sub"`
	Email    string `json:"email"`
	Verified truth  `json:"email_verified"`
	Username string `json:"preferred_username"`
	Groups   names  `json:"groups"`
}

// truth is true, which some providers write as a text. All else is false.
type truth bool

func (t *truth) UnmarshalJSON(text []byte) error {
	*t = string(text) == "true" || string(text) == `"true"`
	return nil
}

// names are a list, or one alone. All else is none.
type names []string

func (n *names) UnmarshalJSON(text []byte) error {
	var one string
	var all []string
	if json.Unmarshal(text, &all) == nil {
		*n = all
	} else if json.Unmarshal(text, &one) == nil {
		*n = names{one}
	}
	return nil
}

// name has an @ only where the provider has verified the address: people choose
// their username.
func (c *claims) name() string {
	if c.Verified && c.Email != "" {
		return c.Email
	}
	return strings.ReplaceAll(cmp.Or(c.Username, c.Subject), "@", "(at)")
}

func (p *provider) claims(r *http.Request, l login) (*claims, error) {
	known, config, err := p.discover(r.Context())
	if err != nil {
		return nil, err
	}
	ctx := oidc.ClientContext(r.Context(), p.client)
	token, err := config.Exchange(ctx, r.URL.Query().Get("code"), oauth2.VerifierOption(l.verifier))
	if err != nil {
		return nil, fmt.Errorf("exchange the code: %w", err)
	}
	text, _ := token.Extra("id_token").(string)
	id, err := known.Verifier(&oidc.Config{ClientID: p.ClientID}).Verify(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("check the provider's answer: %w", err)
	}
	if !same(id.Nonce, l.nonce) {
		return nil, errLogin
	}
	c := new(claims)
	if err := id.Claims(c); err != nil {
		return nil, fmt.Errorf("read the provider's answer: %w", err)
	}
	if c.Email != "" {
		return c, nil
	}
	// Some keep an answer small and tell the rest to those who ask.
	info, err := known.UserInfo(ctx, config.TokenSource(ctx, token))
	if err != nil || info.Subject != c.Subject {
		return c, nil
	}
	if err := info.Claims(c); err != nil {
		return nil, fmt.Errorf("read the provider's answer: %w", err)
	}
	return c, nil
}

func (p *provider) roleOf(c *claims) Role {
	switch {
	case c.among(p.Operators):
		return RoleOperator
	case c.among(p.Readers):
		return RoleReader
	}
	return ""
}

// among reports whether the list names the one or a group of theirs.
func (c *claims) among(list []string) bool {
	return slices.ContainsFunc(list, func(name string) bool {
		if strings.Contains(name, "@") {
			return bool(c.Verified) && strings.EqualFold(name, c.Email)
		}
		return slices.Contains(c.Groups, name)
	})
}

func (g *guard) finishOIDC(w http.ResponseWriter, r *http.Request) {
	who, status, err := g.provider.finish(w, r)
	if err != nil {
		http.Error(w, err.Error(), status)
		return
	}
	g.sessions.begin(w, who, g.provider.secure())
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
