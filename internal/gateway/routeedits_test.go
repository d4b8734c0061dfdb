package gateway

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// clients are one of HTTP/1.1 and one of HTTP/2, which follow no redirects.
func clients(t *testing.T) map[string]*http.Client {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	two := http2Client(t, nil)
	two.CheckRedirect = stay
	one := &http.Client{Transport: &http.Transport{}, CheckRedirect: stay}
	t.Cleanup(one.CloseIdleConnections)
	return map[string]*http.Client{"HTTP/1.1": one, "HTTP/2": two}
}

func TestHeadersAreEditedBothWays(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Version"] = []string{"1", "2"}
		w.Header().Set("X-Secret", "s")
		w.Header().Set("Server", "origin")
		_, _ = fmt.Fprint(w, r.Header["X-User"], r.Header["X-Tag"], r.Header["X-Debug"], r.Header["X-Tier"])
	})
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	r := &c.Routes[0]
	r.RequestHeaders = HeaderEdits{Set: map[string]string{"X-User": "ann"}, Add: map[string]string{"X-Tag": "b"}, Remove: []string{"x-debug"}}
	r.ResponseHeaders = HeaderEdits{Set: map[string]string{"x-version": "3"}, Remove: []string{"X-Secret"}}
	r.To[0].RequestHeaders = HeaderEdits{Set: map[string]string{"X-Tier": "gold"}, Remove: []string{"X-Tag"}}
	r.To[0].ResponseHeaders = HeaderEdits{Add: map[string]string{"X-From": "web"}}
	_, base := start(t, c)
	for protocol, client := range clients(t) {
		req, _ := http.NewRequest("GET", base, nil)
		req.Header = http.Header{"X-User": {"eve", "bob"}, "X-Tag": {"a"}, "X-Debug": {"1"}}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if string(body) != "[ann] [] [] [gold]" {
			t.Errorf("%s: the service got %s", protocol, body)
		}
		h := res.Header
		if fmt.Sprint(h["X-Version"], h["X-Secret"], h["X-From"], h["Server"]) != "[3] [] [web] [origin]" {
			t.Errorf("%s: the client got %v", protocol, h)
		}
	}
}

// TestEditsSeeNoDifferenceBetweenHyphensAndUnderscores: programs after CGI see
// none either.
func TestEditsSeeNoDifferenceBetweenHyphensAndUnderscores(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X_secret"] = []string{"s"}
		_, _ = fmt.Fprint(w, r.Header["X_user"], r.Header["X-User"], r.Header["X_internal"], r.Header["X-Internal"])
	})
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Routes[0].RequestHeaders = HeaderEdits{Set: map[string]string{"x_user": "gateway"}, Remove: []string{"X_Internal"}}
	c.Routes[0].ResponseHeaders = HeaderEdits{Remove: []string{"x_secret"}}
	_, base := start(t, c)
	for _, said := range [][]string{{"x_user: admin", "x_internal: 1"}, {"X-User: admin", "X-Internal: 1"}, {"x_user: admin", "X-User: admin"}} {
		res, body := ask(t, base, said...)
		if body != "[gateway] [] [] []" || res.Header["X_secret"] != nil {
			t.Errorf("%q: the service got %s, the client %v", said, body, res.Header)
		}
	}
}

func TestEditsReachAfloatsOwnAnswers(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses("127.0.0.1:1")})
	c.Routes[0].ResponseHeaders = HeaderEdits{Set: map[string]string{"Content-Type": "application/problem+json", "X-Frame-Options": "DENY"}}
	_, base := start(t, c)
	for protocol, client := range clients(t) {
		res, _ := do(t, client, "GET", base, "")
		if h := res.Header; res.StatusCode != 503 || fmt.Sprint(h["Content-Type"], h["X-Frame-Options"]) != "[application/problem+json] [DENY]" {
			t.Errorf("%s: got %d %v", protocol, res.StatusCode, h)
		}
	}
}

func TestPathsAndHostsAreRewritten(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host+" "+r.RequestURI) })
	text := func(s string) *string { return &s }
	for _, test := range []struct {
		path    StringMatch
		rewrite RewriteConfig
		ask     string
		want    string
	}{
		{StringMatch{Prefix: "/foo"}, RewriteConfig{Prefix: text("/xyz")}, "/foo/bar?a=%2F", "/xyz/bar?a=%2F"},
		{StringMatch{Prefix: "/foo"}, RewriteConfig{Prefix: text("/xyz/")}, "/foo/bar", "/xyz/bar"},
		{StringMatch{Prefix: "/foo"}, RewriteConfig{Prefix: text("/xyz")}, "/foo", "/xyz"},
		{StringMatch{Prefix: "/foo"}, RewriteConfig{Prefix: text("/xyz")}, "/foo/", "/xyz/"},
		{StringMatch{Prefix: "/foo"}, RewriteConfig{Prefix: text("")}, "/foo/bar", "/bar"},
		{StringMatch{Prefix: "/foo"}, RewriteConfig{Prefix: text("/")}, "/foo", "/"},
		{StringMatch{Prefix: "/"}, RewriteConfig{Prefix: text("/xyz")}, "/bar", "/xyz/bar"},
		{StringMatch{Exact: "/foo"}, RewriteConfig{Prefix: text("/xyz")}, "/foo?a", "/xyz?a"},
		{StringMatch{Prefix: "/foo", BytePrefix: true}, RewriteConfig{Prefix: text("/")}, "/foo/bar", "//bar"}, // as Istio has it
		{StringMatch{}, RewriteConfig{Path: "/one"}, "/foo/bar?q", "/one?q"},
		{StringMatch{}, RewriteConfig{Regex: &RegexRewrite{`^/v(\d+)/(.*)$`, "/${2}/v${1}"}}, "/v2/users%20a", "/users%20a/v2"},
		{StringMatch{}, RewriteConfig{Regex: &RegexRewrite{`^/v.*$`, ""}}, "/v2", "/"},
		{StringMatch{}, RewriteConfig{Host: "inner.example"}, "/foo", "inner.example /foo"},
	} {
		c := oneService(ServiceConfig{Endpoints: Addresses(address)})
		c.Routes[0].Match, c.Routes[0].Rewrite = []MatchConfig{{Path: &test.path}}, &test.rewrite
		_, base := start(t, c)
		for protocol, client := range clients(t) {
			_, got := do(t, client, "GET", base+test.ask, "")
			want := test.want
			if test.rewrite.Host == "" {
				want = strings.TrimPrefix(base, "http://") + " " + want
			}
			if got != want {
				t.Errorf("%s: %s with %+v: got %s, want %s", protocol, test.ask, test.rewrite, got, want)
			}
		}
	}
}

func TestClientsAreRedirected(t *testing.T) {
	prefix := "/new"
	for _, test := range []struct {
		to   RedirectConfig
		host string
		want string
		code int
	}{
		{RedirectConfig{Scheme: "https"}, "shop.example:8080", "https://shop.example/old/a?b=c", 302},
		{RedirectConfig{Scheme: "https", Port: 8443, Status: 308}, "shop.example", "https://shop.example:8443/old/a?b=c", 308},
		{RedirectConfig{Host: "www.example"}, "shop.example:8080", "http://www.example:8080/old/a?b=c", 302},
		{RedirectConfig{Port: 80}, "shop.example:8080", "http://shop.example/old/a?b=c", 302},
		{RedirectConfig{Path: "/", DropQuery: true, Status: 301}, "shop.example", "http://shop.example/", 301},
		{RedirectConfig{Prefix: &prefix, Host: "www.example", Status: 307}, "[::1]:80", "http://www.example/new/a?b=c", 307},
	} {
		c := &Config{Routes: []RouteConfig{{Name: "away", Match: []MatchConfig{{Path: &StringMatch{Prefix: "/old"}}}, Redirect: &test.to}}}
		_, base := start(t, c)
		for protocol, client := range clients(t) {
			req, _ := http.NewRequest("GET", base+"/old/a?b=c", nil)
			req.Host = test.host
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if got := res.Header.Get("Location"); res.StatusCode != test.code || got != test.want {
				t.Errorf("%s: %+v: got %d %s, want %s", protocol, test.to, res.StatusCode, got, test.want)
			}
		}
	}
}

// TestRedirectOfAClientThatNamesNoHost goes to the address that it connected to.
func TestRedirectOfAClientThatNamesNoHost(t *testing.T) {
	_, base := start(t, &Config{Routes: []RouteConfig{{Redirect: &RedirectConfig{Path: "/new"}}}})
	conn := connect(t, base)
	conn.send("GET /old HTTP/1.0\r\n\r\n")
	if res, _ := conn.answer("GET"); res.Header.Get("Location") != base+"/new" {
		t.Errorf("got %q, want %s/new", res.Header.Get("Location"), base)
	}
}

func TestRouteAnswersByItself(t *testing.T) {
	c := &Config{Routes: []RouteConfig{{Name: "robots", Respond: &FallbackConfig{Status: 418, ContentType: "text/x", Body: "short and stout"}}}}
	n := new(notes)
	_, base := startObserved(t, c, n)
	for protocol, client := range clients(t) {
		res, body := do(t, client, "GET", base, "")
		if res.StatusCode != 418 || res.Header.Get("Content-Type") != "text/x" || body != "short and stout" {
			t.Errorf("%s: got %d %q", protocol, res.StatusCode, body)
		}
	}
	if r := n.last(t, 2); r.Route != "robots" || r.Service != "" || r.Reason != ReasonResponded {
		t.Errorf("noted %+v", r)
	}
}

func TestRequestsAreMirrored(t *testing.T) {
	type seen struct{ target, body, mark, user string }
	copies := make(chan seen, 100)
	var hang atomic.Bool
	stop := make(chan struct{})
	defer close(stop)
	shadow := origin(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		copies <- seen{r.RequestURI, string(body), r.Header.Get("Afloat-Mirror"), r.Header.Get("X-User")}
		if hang.Load() {
			<-stop
		}
		w.WriteHeader(500) // which nobody is to notice
	})
	web := origin(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprint(w, string(body), r.Header["Afloat-Mirror"])
	})
	c := &Config{
		Services: map[string]ServiceConfig{"web": {Endpoints: Addresses(web)}, "shadow": {Endpoints: Addresses(shadow), Breaker: policy.BreakerConfig{ConsecutiveFailures: -1, FailureRate: -1}, Outlier: OutlierConfig{Disabled: true}}},
		Routes: []RouteConfig{{Name: "all", To: []DestinationConfig{{Service: "web"}}, Mirror: []MirrorConfig{{Service: "shadow", InFlightMax: 2}},
			RequestHeaders: HeaderEdits{Set: map[string]string{"X-User": "ann"}}}},
	}
	g, base := start(t, c)
	for protocol, client := range clients(t) {
		res, body := do(t, client, "POST", base+"/buy?a=1", "book")
		if res.StatusCode != 200 || body != "book[]" {
			t.Errorf("%s: got %d %q", protocol, res.StatusCode, body)
		}
		if got := <-copies; got != (seen{"/buy?a=1", "book", "1", "ann"}) {
			t.Errorf("%s: the copy was %+v", protocol, got)
		}
	}

	// Copies are bounded, and those that hang hold up nobody.
	hang.Store(true)
	mirrored := func() RouteStatus { return g.Status().Routes[0] }
	eventually(t, "the copies are over", func() bool { return mirrored().Mirrors[0].InFlight == 0 })
	for range 5 {
		if status, body := get(t, base); status != 200 || body != "[]" {
			t.Errorf("got %d %q", status, body)
		}
	}
	if m := mirrored().Mirrors[0]; m.Service != "shadow" || m.Sent != 4 || m.Dropped != 3 {
		t.Errorf("got %+v", m)
	}
	// A body that is streamed is not copied.
	reader, writer := io.Pipe()
	go func() { _, _ = io.WriteString(writer, "long"); writer.Close() }()
	res, err := http.Post(base, "text/plain", reader)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if m := mirrored().Mirrors[0]; m.Sent != 4 || m.Dropped != 4 {
		t.Errorf("got %+v", m)
	}
}

func TestShareOfTheRequestsIsMirrored(t *testing.T) {
	var copies atomic.Int64
	shadow := origin(t, func(http.ResponseWriter, *http.Request) { copies.Add(1) })
	c := oneService(ServiceConfig{Endpoints: Addresses(echo(t))})
	c.Services["shadow"] = ServiceConfig{Endpoints: Addresses(shadow)}
	c.Routes[0].Mirror = []MirrorConfig{{Service: "shadow", Share: 0.25, InFlightMax: 1000}}
	g, base := start(t, c)
	for range 1000 {
		get(t, base)
	}
	if sent := g.Status().Routes[0].Mirrors[0].Sent; sent < 180 || sent > 320 {
		t.Errorf("%d of 1000 were copied, want about 250", sent)
	}
	eventually(t, "all copies have come", func() bool { return copies.Load() == g.Status().Routes[0].Mirrors[0].Sent })
}

func TestClientsStayWhereTheyAre(t *testing.T) {
	old, next := []string{named(t, "old"), named(t, "old")}, []string{named(t, "next")}
	c := &Config{
		Services: map[string]ServiceConfig{"old": {Endpoints: Addresses(old...)}, "next": {Endpoints: Addresses(next...)}},
		Routes: []RouteConfig{{Name: "all", Sticky: &StickyConfig{TTL: time.Hour},
			To: []DestinationConfig{{Service: "old", Weight: 70}, {Service: "next", Weight: 30}}}},
	}
	n := new(notes)
	g, base := startObserved(t, c, n)
	at, _ := url.Parse(base)
	shares, asked := map[string]int{}, 0
	noted := func() Record { asked++; return n.last(t, asked) }
	var stays *http.Client
	for i := range 200 {
		jar, _ := cookiejar.New(nil)
		client := &http.Client{Jar: jar}
		res, first := do(t, client, "GET", base, "")
		shares[first]++
		endpoint := noted().Endpoint
		set := res.Cookies()
		if len(set) != 1 || set[0].Name != "afloat-session" || !set[0].HttpOnly || set[0].Secure || set[0].MaxAge != 3600 {
			t.Fatalf("got %v", res.Header["Set-Cookie"])
		}
		if first == "next" {
			stays = client
		}
		if i >= 20 {
			continue
		}
		for range 10 {
			res, again := do(t, client, "GET", base, "")
			if r := noted(); again != first || r.Endpoint != endpoint || res.Header["Set-Cookie"] != nil {
				t.Errorf("client %d went from %s %s to %s %s", i, first, endpoint, again, r.Endpoint)
			}
		}
	}
	if shares["next"] < 30 || shares["next"] > 90 {
		t.Errorf("got %v of 200 with 30%% to next", shares)
	}

	// Where a service has no share any more, its clients go elsewhere, and are told.
	c.Routes[0].To[1].Weight = 0
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	was := stays.Jar.Cookies(at)[0].Value
	if _, now := do(t, stays, "GET", base, ""); now != "old" || stays.Jar.Cookies(at)[0].Value == was {
		t.Errorf("went to %s", now)
	}
}

func TestClientOfADeadEndpointGoesElsewhere(t *testing.T) {
	first := origin(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "first") })
	dead := Addresses("127.0.0.1:1", first)
	for name, sticky := range map[string]*StickyConfig{"cookie": {}, "header": {Header: "X-Session"}} {
		c := oneService(ServiceConfig{Endpoints: dead})
		c.Routes[0].Sticky = sticky
		_, base := start(t, c)
		gone := place{hashOf("web"), hashOf("127.0.0.1:1")}.text()
		req, _ := http.NewRequest("GET", base, nil)
		req.Header.Set("Cookie", "afloat-session="+gone)
		req.Header.Set("X-Session", gone)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		said := res.Header.Get("Set-Cookie") + res.Header.Get("X-Session")
		if res.StatusCode != 200 || !strings.Contains(said, place{hashOf("web"), hashOf(first)}.text()) {
			t.Errorf("%s: got %d %v", name, res.StatusCode, res.Header)
		}
	}
}

func TestRoutesThatEditAreValidated(t *testing.T) {
	text := "x"
	for _, test := range []struct {
		change     func(*RouteConfig)
		path, want string
	}{
		{func(r *RouteConfig) { r.Redirect = &RedirectConfig{Scheme: "https"} }, "routes.0", "want one of to, redirect and respond"},
		{func(r *RouteConfig) { r.To, r.Redirect = nil, &RedirectConfig{} }, "routes.0.redirect", "says nothing"},
		{func(r *RouteConfig) { r.To, r.Redirect = nil, &RedirectConfig{Status: 200, Port: -1, Scheme: "ftp"} }, "routes.0.redirect.status", "want 301"},
		{func(r *RouteConfig) { r.To, r.Respond, r.Rewrite = nil, &FallbackConfig{}, &RewriteConfig{Path: "/"} }, "routes.0", "are for requests that go to a service"},
		{func(r *RouteConfig) { r.To, r.Respond = nil, &FallbackConfig{Status: 99} }, "routes.0.respond.status", "want a status from 200"},
		{func(r *RouteConfig) { r.Rewrite = &RewriteConfig{} }, "routes.0.rewrite", "says nothing"},
		{func(r *RouteConfig) { r.Rewrite = &RewriteConfig{Path: "/a", Prefix: &text} }, "routes.0.rewrite", "want one of path, prefix and regex"},
		{func(r *RouteConfig) { r.Rewrite = &RewriteConfig{Prefix: &text} }, "routes.0.rewrite.prefix", "begins with a slash"},
		{func(r *RouteConfig) { r.Rewrite = &RewriteConfig{Path: "/a b"} }, "routes.0.rewrite.path", "cannot stand in a path"},
		{func(r *RouteConfig) { r.Rewrite = &RewriteConfig{Regex: &RegexRewrite{Match: "("}} }, "routes.0.rewrite.regex.match", "missing closing"},
		{func(r *RouteConfig) { r.Rewrite = &RewriteConfig{Host: "a b"} }, "routes.0.rewrite.host", "want a host"},
		{func(r *RouteConfig) { r.RequestHeaders.Set = map[string]string{"Host": "a"} }, "routes.0.requestHeaders.set.Host", "rewrite: {host: NAME}"},
		{func(r *RouteConfig) { r.RequestHeaders.Add = map[string]string{"a b": "a"} }, "routes.0.requestHeaders.add.a b", "cannot be a header's name"},
		{func(r *RouteConfig) { r.ResponseHeaders.Set = map[string]string{"A": "a\r\nB: c"} }, "routes.0.responseHeaders.set.A", "cannot have the value"},
		{func(r *RouteConfig) { r.ResponseHeaders.Remove = []string{"transfer-encoding"} }, "routes.0.responseHeaders.remove.0", "frames the message"},
		{func(r *RouteConfig) { r.To[0].RequestHeaders.Remove = []string{"X-Request-Id"} }, "routes.0.to.0.requestHeaders.remove.0", "is set by Afloat"},
		{func(r *RouteConfig) { r.Mirror = []MirrorConfig{{Service: "shadow"}} }, "routes.0.mirror.0.service", "the services are web"},
		{func(r *RouteConfig) { r.Mirror = []MirrorConfig{{Service: "web", Share: 2}} }, "routes.0.mirror.0.share", "want 0% to 100%"},
		{func(r *RouteConfig) { r.Sticky = &StickyConfig{Cookie: "a", Header: "b"} }, "routes.0.sticky", "want a cookie or a header"},
		{func(r *RouteConfig) { r.Sticky = &StickyConfig{Cookie: "a;b"} }, "routes.0.sticky.cookie", "cannot be a cookie's name"},
	} {
		c := oneService(ServiceConfig{Endpoints: Addresses("127.0.0.1:9001")})
		test.change(&c.Routes[0])
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), test.path+": ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %s: ...%s", err, test.path, test.want)
		}
	}
}

func TestRoutesMatchTheScheme(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.sign("shop", "shop.example")
	c := &Config{
		Listeners: []ListenerConfig{{Address: "127.0.0.1:0", TrustedPeers: []string{"127.0.0.1"}}, {Address: "localhost:0", TLS: &TLSConfig{Cert: cert, Key: key}}},
		Routes: []RouteConfig{
			{Name: "plain", Match: []MatchConfig{{Scheme: "http"}}, Respond: &FallbackConfig{Body: "plain"}},
			{Name: "secure", Respond: &FallbackConfig{Body: "secure"}},
		},
	}
	g, base := start(t, c)
	if _, got := get(t, base); got != "plain" {
		t.Errorf("got %s", got)
	}
	if _, got := ask(t, base, "X-Forwarded-Proto: https"); got != "secure" {
		t.Errorf("of a trusted peer that was asked by https: got %s", got)
	}
	config := &tls.Config{RootCAs: a.pool, ServerName: "shop.example"}
	for _, client := range []*http.Client{{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}, http2Client(t, config)} {
		if _, got := do(t, client, "GET", "https://"+g.Addresses()[1], ""); got != "secure" {
			t.Errorf("got %s", got)
		}
	}
}
