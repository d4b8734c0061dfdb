package console

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestGuard(t *testing.T) {
	for _, c := range []struct {
		name, token, host, authorization string
		want                             int
	}{
		{"loopback name without a token", "", "127.0.0.1:9900", "", 200},
		{"localhost without a token", "", "localhost:9900", "", 200},
		{"IPv6 loopback without a token", "", "[::1]:9900", "", 200},
		{"a rebound name without a token", "", "evil.example:9900", "", 403},
		{"another address without a token", "", "192.0.2.1:9900", "", 403},
		{"the token", "secret", "192.0.2.1:9900", "Bearer secret", 200},
		{"no token given", "secret", "127.0.0.1:9900", "", 401},
		{"a wrong token", "secret", "127.0.0.1:9900", "Bearer secre", 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := Handler(Options{
				Access:  Access{Token: c.token},
				Status:  func() Status { return Status{Version: "v1"} },
				Metrics: http.NotFoundHandler(),
			})
			r := httptest.NewRequest("GET", "/api/v1/status", nil)
			r.Host = c.host
			if c.authorization != "" {
				r.Header.Set("Authorization", c.authorization)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.want {
				t.Fatalf("got %d %s, want %d", w.Code, w.Body, c.want)
			}
			var s Status
			if c.want == 200 && (json.Unmarshal(w.Body.Bytes(), &s) != nil || s.Version != "v1") {
				t.Fatalf("got %s", w.Body)
			}
		})
	}
}

func TestHealthNeedsNoToken(t *testing.T) {
	w := httptest.NewRecorder()
	Handler(Options{Access: Access{Token: "secret"}, Metrics: http.NotFoundHandler()}).ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
	if w.Code != 200 {
		t.Fatalf("got %d", w.Code)
	}
}
