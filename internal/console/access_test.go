package console

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/afloat-dev/afloat/internal/alert"
)

// ask sends a request to a handler; each header is "Name: value".
func ask(t *testing.T, h http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "http://localhost:9900"+path, strings.NewReader(body))
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const (
	operator = "Authorization: Bearer an-operator's"
	reader   = "Authorization: Bearer a-reader's"
)

func guarded(t *testing.T) (http.Handler, Options) {
	o := running(t)
	o.Access = Access{Token: "an-operator's", ReadToken: "a-reader's"}
	return Handler(o), o
}

func TestReaderLooksAndDoesNotAct(t *testing.T) {
	h, o := guarded(t)
	lever := "/api/v1/services/web/endpoints/" + addressOf(o) + "/drain"
	for _, c := range []struct {
		method, path, header string
		want                 int
	}{
		{"GET", "/api/v1/status", reader, 200},
		{"GET", "/api/v1/status", operator, 200},
		{"GET", "/api/v1/status", "Authorization: Bearer ", 401},
		{"PUT", lever, reader, 403},
		{"DELETE", lever + "?why=x", reader, 403},
		{"PUT", "/api/v1/faults?route=all&for=1m", reader, 403},
		{"PUT", lever, operator, 200},
		{"DELETE", lever + "?why=x", operator, 200},
	} {
		if w := ask(t, h, c.method, c.path, `{"why": "a reason"}`, c.header); w.Code != c.want {
			t.Errorf("%s %s with %q: %d %s", c.method, c.path, c.header, w.Code, w.Body)
		}
	}
	if len(o.Levers.Levers()) != 0 {
		t.Error("a lever is left")
	}
}

// TestReadTokenAloneGivesNobodyTheRest: no token of operators means that nobody
// is one, not that everybody is.
func TestReadTokenAloneGivesNobodyTheRest(t *testing.T) {
	o := running(t)
	o.Access = Access{ReadToken: "a-reader's"}
	h := Handler(o)
	path := "/api/v1/services/web/endpoints/" + addressOf(o) + "/drain"
	for header, want := range map[string]int{reader: 403, "Authorization: Bearer ": 401, "X: y": 401} {
		if w := ask(t, h, "PUT", path, `{"why": "a reason"}`, header); w.Code != want {
			t.Errorf("%q: %d %s", header, w.Code, w.Body)
		}
	}
}

func TestPageOfAnotherSiteCannotAct(t *testing.T) {
	o := running(t)
	h := Handler(o) // on loopback, where no token is needed
	path := "/api/v1/services/web/endpoints/" + addressOf(o) + "/drain"
	for _, header := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example", "Origin: http://localhost:1"} {
		if w := ask(t, h, "PUT", path, `{"why": "a reason"}`, header); w.Code != 403 {
			t.Errorf("%s: %d", header, w.Code)
		}
	}
	if len(o.Levers.Levers()) != 0 {
		t.Error("it was drained all the same")
	}
	for _, header := range []string{"Sec-Fetch-Site: same-origin", "Origin: http://localhost:9900", "User-Agent: curl"} {
		if w := ask(t, h, "PUT", path, `{"why": "a reason"}`, header); w.Code != 200 {
			t.Errorf("%s: %d %s", header, w.Code, w.Body)
		}
	}
}

func TestBrowserLogsInAndOut(t *testing.T) {
	h, _ := guarded(t)
	if w := ask(t, h, "POST", "/api/v1/session", `{"token": "a guess"}`); w.Code != 401 || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("with a wrong token: %d %v", w.Code, w.Header())
	}
	w := ask(t, h, "POST", "/api/v1/session", `{"token": "a-reader's"}`)
	set := w.Result().Cookies()
	if w.Code != 200 || len(set) != 1 {
		t.Fatalf("log in: %d %s %v", w.Code, w.Body, w.Header())
	}
	if c := set[0]; !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || strings.Contains(c.Value, "reader") || len(c.Value) < 20 {
		t.Errorf("cookie: %+v", c)
	}
	cookie := "Cookie: " + set[0].Name + "=" + set[0].Value
	if w := ask(t, h, "GET", "/api/v1/status", "", cookie); w.Code != 200 {
		t.Errorf("with the cookie: %d", w.Code)
	}
	var s Session
	if w := ask(t, h, "GET", "/api/v1/session", "", cookie); json.Unmarshal(w.Body.Bytes(), &s) != nil || s.Role != RoleReader {
		t.Errorf("session: %s", w.Body)
	}
	if w := ask(t, h, "DELETE", "/api/v1/session", "", cookie); w.Code != 204 {
		t.Errorf("log out: %d", w.Code)
	}
	if w := ask(t, h, "GET", "/api/v1/status", "", cookie); w.Code != 401 {
		t.Errorf("with the cookie of a browser that has logged out: %d", w.Code)
	}
}

func TestOldestSessionMakesRoom(t *testing.T) {
	h, _ := guarded(t)
	logIn := func() string {
		c := ask(t, h, "POST", "/api/v1/session", `{"token": "a-reader's"}`).Result().Cookies()[0]
		return "Cookie: " + c.Name + "=" + c.Value
	}
	first, second := logIn(), logIn()
	for range sessionsMax - 1 {
		logIn()
	}
	if w := ask(t, h, "GET", "/api/v1/status", "", first); w.Code != 401 {
		t.Errorf("the oldest: %d", w.Code)
	}
	if w := ask(t, h, "GET", "/api/v1/status", "", second); w.Code != 200 {
		t.Errorf("the second: %d", w.Code)
	}
}

func TestAnswersTellBrowsersWhatThePageMayDo(t *testing.T) {
	h, _ := guarded(t)
	for _, path := range []string{"/healthz", "/api/v1/status", "/nowhere"} {
		got := ask(t, h, "GET", path, "").Header()
		policy := got.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if got.Get("X-Frame-Options") != "DENY" || got.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestMountsAskForRoles(t *testing.T) {
	o := running(t)
	o.Access = Access{Token: "an-operator's", ReadToken: "a-reader's"}
	fine := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	o.Mounts = []Mount{{Prefix: "/acts/", Handler: fine}, {Prefix: "/reads/", Handler: fine, Reads: true}}
	h := Handler(o)
	for _, c := range []struct {
		method, path, header string
		want                 int
	}{
		{"GET", "/acts/x", reader, 200}, {"POST", "/acts/x", reader, 403}, {"POST", "/acts/x", operator, 200},
		{"POST", "/reads/x", reader, 200}, {"GET", "/reads/x", "X: y", 401},
	} {
		if w := ask(t, h, c.method, c.path, "", c.header); w.Code != c.want {
			t.Errorf("%s %s with %q: %d", c.method, c.path, c.header, w.Code)
		}
	}
}

// TestPageOfAnotherSiteCannotLook has one try to keep Afloat at work, though it
// could not read the answer. A link to the page itself, and the way back from a
// login, are no business of that.
func TestPageOfAnotherSiteCannotLook(t *testing.T) {
	o := running(t)
	o.Mounts = []Mount{{Prefix: "/prometheus/", Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), Reads: true}}
	h := Handler(o)
	for path, want := range map[string]int{
		"/api/v1/status": 403, "/prometheus/api/v1/query": 403, "/": 200, "/healthz": 200, "/api/v1/session": 200,
	} {
		if w := ask(t, h, "GET", path, "", "Sec-Fetch-Site: cross-site"); w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
		for _, site := range []string{"same-origin", "none"} {
			if w := ask(t, h, "GET", path, "", "Sec-Fetch-Site: "+site); w.Code != 200 {
				t.Errorf("%s, %s: %d", path, site, w.Code)
			}
		}
	}
}

// TestReadersMakeNoRoomAtTheCostOfOperators who have been logged in for longer.
func TestReadersMakeNoRoomAtTheCostOfOperators(t *testing.T) {
	s := new(sessions)
	begin := func(role Role) *http.Request {
		w := httptest.NewRecorder()
		s.begin(w, Principal{Role: role}, false)
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(w.Result().Cookies()[0])
		return r
	}
	operator := begin(RoleOperator)
	for range sessionsMax + 10 {
		begin(RoleReader)
	}
	if p := s.find(operator); p.Role != RoleOperator {
		t.Errorf("the operator is %q", p.Role)
	}
	if len(s.held) > sessionsMax {
		t.Errorf("%d are held", len(s.held))
	}
}

// TestMountsHearWhoAsks and nothing that a client says of that.
func TestMountsHearWhoAsks(t *testing.T) {
	g := newGuard(Access{Token: "an-operator's"})
	heard := make(chan string, 1)
	h := g.mount(Mount{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { heard <- r.Header.Get(alert.UserHeader) })})
	ask(t, h, "POST", "/", "", "Authorization: Bearer an-operator's", alert.UserHeader+": eve")
	if who := <-heard; who != "" {
		t.Errorf("with a token it is %q", who)
	}
	w := httptest.NewRecorder()
	g.sessions.begin(w, Principal{Name: "ada", Role: RoleOperator}, false)
	c := w.Result().Cookies()[0]
	ask(t, h, "POST", "/", "", "Cookie: "+c.Name+"="+c.Value, alert.UserHeader+": eve")
	if who := <-heard; who != "ada" {
		t.Errorf("logged in by name it is %q", who)
	}
}
