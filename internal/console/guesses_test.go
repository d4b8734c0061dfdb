package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestTokensCannotBeTried: neither by logging in nor as a bearer, and a client
// that has waited is heard again.
func TestTokensCannotBeTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := Handler(Options{Access: Access{Token: "secret"}, Metrics: http.NotFoundHandler(), Status: func() Status { return Status{} }})
		send := func(from, method, path, token string) int {
			r := httptest.NewRequest(method, path, strings.NewReader(fmt.Sprintf(`{"token": %q}`, token)))
			r.RemoteAddr = from
			if method == "GET" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Code
		}
		const guesser = "192.0.2.1:1000"
		for i := range guessesMax {
			method, path := "POST", "/api/v1/session"
			if i%2 == 1 {
				method, path = "GET", "/api/v1/status"
			}
			if got := send(guesser, method, path, "a guess"); got != 401 {
				t.Fatalf("guess %d: %d", i, got)
			}
		}
		for _, path := range []string{"/api/v1/status", "/api/v1/session"} {
			if got := send("192.0.2.1:1001", "GET", path, "secret"); got != 429 {
				t.Errorf("%s after many guesses: %d", path, got)
			}
		}
		if got := send(guesser, "POST", "/api/v1/session", "secret"); got != 429 {
			t.Errorf("a login after many guesses: %d", got)
		}
		if got := send("192.0.2.2:1000", "GET", "/api/v1/status", "secret"); got != 200 {
			t.Errorf("another client: %d", got)
		}
		time.Sleep(2 * guessEvery)
		if got := send(guesser, "GET", "/api/v1/status", "secret"); got != 200 {
			t.Errorf("after a while: %d", got)
		}
	})
}

func TestGuessersAreBounded(t *testing.T) {
	g, now := new(guesses), time.Now()
	r := httptest.NewRequest("GET", "/", nil)
	for i := range guessersMax + 100 {
		r.RemoteAddr = fmt.Sprintf("[2001:db8:%x::1]:1000", i)
		g.wrong(r, now)
	}
	if len(g.until) > guessersMax {
		t.Errorf("%d are remembered", len(g.until))
	}
}

func TestClaimsOfManyProviders(t *testing.T) {
	for _, c := range []struct {
		text, name string
		groups     []string
	}{
		{`{"sub": "1", "email": "ada@example.com", "email_verified": true, "groups": ["sre"]}`, "ada@example.com", []string{"sre"}},
		{`{"sub": "1", "email": "ada@example.com", "email_verified": "true", "groups": "sre"}`, "ada@example.com", []string{"sre"}},
		{`{"sub": "1", "email": "ada@example.com", "email_verified": "false", "preferred_username": "bob"}`, "bob", nil},
		{`{"sub": "1", "preferred_username": "ada@example.com", "groups": {"a": 1}}`, "ada(at)example.com", nil},
		{`{"sub": "1", "email_verified": 1, "groups": null}`, "1", nil},
	} {
		var got claims
		if err := json.Unmarshal([]byte(c.text), &got); err != nil {
			t.Errorf("%s: %v", c.text, err)
		}
		if got.name() != c.name || !slices.Equal(got.Groups, c.groups) {
			t.Errorf("%s: %q %q", c.text, got.name(), got.Groups)
		}
	}
}
