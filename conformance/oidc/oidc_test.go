// Package oidc_test logs in to the console at a provider that others wrote. It is
// a module of its own, since the two need a lot.
package oidc_test

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"github.com/afloat-dev/afloat/internal/console"
)

// TestOIDC logs in to the console at a real provider of OpenID Connect, as a
// browser does: with redirects and cookies.
func TestOIDC(t *testing.T) {
	front := httptest.NewUnstartedServer(nil)
	defer front.Close()
	url := "http://localhost" + front.Listener.Addr().String()[strings.LastIndex(front.Listener.Addr().String(), ":"):]
	front.Config.Handler = console.Handler(console.Options{
		Status:  func() console.Status { return console.Status{Version: "v1"} },
		Metrics: http.NotFoundHandler(),
		Access: console.Access{OIDC: &console.OIDC{
			Issuer: provider(t, url+"/api/v1/session/oidc/callback"), ClientID: "afloat", ClientSecret: "secret", URL: url,
			Operators: []string{"Test-User@zitadel.ch"}, Readers: []string{"test-user2@zitadel.ch"},
		}},
	})
	front.Start()
	for username, want := range map[string]string{"test-user@localhost": `"role": "operator"`, "test-user2": `"role": "reader"`} {
		t.Run(username, func(t *testing.T) {
			b := newBrowser(t)
			if status, _ := b.get(url + "/api/v1/status"); status != http.StatusUnauthorized {
				t.Errorf("before: %d", status)
			}
			if where := b.logIn(url, username); where != url+"/" {
				t.Fatalf("ended at %s", where)
			}
			if status, body := b.get(url + "/api/v1/session"); status != 200 || !strings.Contains(body, want) || !strings.Contains(body, "@zitadel.ch") {
				t.Errorf("session: %d %s", status, body)
			}
			if status, _ := b.get(url + "/api/v1/status"); status != 200 {
				t.Errorf("after: %d", status)
			}
		})
	}
	t.Run("an answer that another browser asked for", func(t *testing.T) {
		one, other := newBrowser(t), newBrowser(t)
		one.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if r.URL.Path == "/api/v1/session/oidc/callback" {
				return http.ErrUseLastResponse
			}
			return nil
		}
		back := one.logIn(url, "test-user@localhost")
		if status, body := other.get(back); status != http.StatusBadRequest {
			t.Errorf("got %d %s", status, body)
		}
		one.CheckRedirect = nil
		if status, body := one.get(strings.Replace(back, "state=", "state=x", 1)); status != http.StatusBadRequest {
			t.Errorf("with another state: %d %s", status, body)
		}
		if status, _ := one.get(back); status != http.StatusBadRequest {
			t.Errorf("a second time: %d", status)
		}
	})
}

// provider runs one, and returns its URL.
func provider(t *testing.T, redirect string) string {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	issuer := "http://localhost:" + port + "/"
	storage.RegisterClients(storage.WebClient("afloat", "secret", redirect))
	before := slog.Default()
	h := exampleop.SetupServer(issuer, storage.NewStorage(storage.NewUserStore(issuer)), slog.New(slog.DiscardHandler), false)
	s := &http.Server{Handler: h}
	go s.Serve(l)
	t.Cleanup(func() { s.Close(); slog.SetDefault(before) })
	return issuer
}

type browser struct {
	*http.Client
	t *testing.T
}

func newBrowser(t *testing.T) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{&http.Client{Jar: jar}, t}
}

func (b *browser) get(url string) (int, string) {
	b.t.Helper()
	res, err := b.Get(url)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

// logIn fills in the provider's form, and says where that leads to.
func (b *browser) logIn(console, username string) string {
	b.t.Helper()
	res, err := b.Get(console + "/api/v1/session/oidc")
	if err != nil {
		b.t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	form := res.Request.URL
	if !strings.HasPrefix(form.Path, "/login/") {
		b.t.Fatalf("no form at %s: %d %s", form, res.StatusCode, body)
	}
	res, err = b.PostForm(form.Scheme+"://"+form.Host+"/login/username", url.Values{
		"id": {form.Query().Get("authRequestID")}, "username": {username}, "password": {"verysecure"}})
	if err != nil {
		b.t.Fatal(err)
	}
	res.Body.Close()
	if back := res.Header.Get("Location"); back != "" {
		return back
	}
	return res.Request.URL.String()
}
