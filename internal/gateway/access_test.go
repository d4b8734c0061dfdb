package gateway

import (
	"crypto/tls"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func path(prefix string) *StringMatch  { return &StringMatch{Prefix: prefix} }
func method(exact string) *StringMatch { return &StringMatch{Exact: exact} }

func TestAccessIsByClientMethodAndPath(t *testing.T) {
	inside := "X-Forwarded-For: 10.3.0.1"
	for _, test := range []struct {
		access  AccessConfig
		through []string // "METHOD path", then fields
		refused []string
	}{
		{AccessConfig{Allow: []MatchConfig{{Clients: []string{"192.0.2.0/24"}}}},
			[]string{"GET /\nX-Forwarded-For: 192.0.2.1"},
			[]string{"GET /", "GET /\nX-Forwarded-For: 192.0.3.1", "GET /\nX-Forwarded-For: 192.0.2.1, 192.0.3.1"}},
		{AccessConfig{Allow: []MatchConfig{{Method: method("GET")}, {Method: method("POST"), Path: path("/orders")}}},
			[]string{"GET /a", "POST /orders", "POST /orders/1", "POST /x/../orders", "POST /%6frders"},
			[]string{"POST /a", "DELETE /orders", "POST /ordersx", "get /a", "POST /orders;/x", "POST /orders%2f..%2fa"}},
		{AccessConfig{Deny: []MatchConfig{{Path: path("/admin")}}, Allow: []MatchConfig{{}}},
			[]string{"GET /", "GET /administer", "GET /a%20b", "GET /x?y=/admin"},
			[]string{"GET /admin", "GET /admin/x", "GET //admin", "GET /./admin", "GET /a/../admin", "GET /%61dmin", "GET /a%2f%2e%2e%2fadmin", "GET /admin;x", "GET /admin%2fx", `GET /admin\x`, "GET /x%2f", "GET http://b/admin"}},
		{AccessConfig{Deny: []MatchConfig{{Path: path("/a+b c"), WithoutHeaders: map[string]StringMatch{"X-Key": {Exact: "k"}}}}, Allow: []MatchConfig{{}}},
			[]string{"GET /a+b", "GET /a+b%20c\nX-Key: k"},
			[]string{"GET /a+b%20c", "GET /a%2bb%20c", "GET /a%2Bb%20c/d\nX-Key: l"}},
		// What is said more than once, or badly: any of it is enough to be refused, all of it must be fit to be let through.
		{AccessConfig{Deny: []MatchConfig{{Query: map[string]StringMatch{"debug": {Exact: "1"}}}}, Allow: []MatchConfig{{}}},
			[]string{"GET /", "GET /?debug=0", "GET /?debug", "GET /?nodebug=1&x=%zz", "GET /?x=debug=1"},
			[]string{"GET /?debug=1", "GET /?debug=1&a;b", "GET /?debug=1&%zz", "GET /?debug=0&debug=1", "GET /?debug=1&debug=0", "GET /?a;debug=1", "GET /?%64ebug=%31", "GET /?x=%zz&debug=1", "GET /?&&debug=1"}},
		{AccessConfig{Allow: []MatchConfig{{Query: map[string]StringMatch{"role": {Exact: "user"}}}}},
			[]string{"GET /?role=user", "GET /?x=%zz&role=user", "GET /?role=user&role=user"},
			[]string{"GET /", "GET /?role=admin", "GET /?role=user&role=admin", "GET /?role=admin&role=user"}},
		{AccessConfig{Deny: []MatchConfig{{Headers: map[string]StringMatch{"X-Role": {Exact: "admin"}}}}, Allow: []MatchConfig{{}}},
			[]string{"GET /", "GET /\nX-Role: a", "GET /\nX-Role: administrator"},
			[]string{"GET /\nX-Role: admin", "GET /\nX-Role: a\nX-Role: admin", "GET /\nx-role: admin\nX-Role: a", "GET /\nX-Role: a, admin", "GET /\nX_Role: admin"}},
		{AccessConfig{Allow: []MatchConfig{{Headers: map[string]StringMatch{"X-Role": {Exact: "user"}}}}},
			[]string{"GET /\nX-Role: user"},
			[]string{"GET /", "GET /\nX-Role: user\nX-Role: admin", "GET /\nX-Role: admin\nX-Role: user", "GET /\nX_Role: user"}},
		{AccessConfig{Allow: []MatchConfig{{WithoutHeaders: map[string]StringMatch{"X-Role": {Exact: "admin"}}}}},
			[]string{"GET /", "GET /\nX-Role: user"},
			[]string{"GET /\nX-Role: admin", "GET /\nX-Role: user\nX-Role: admin", "GET /\nX-Role: user, admin"}},
		{AccessConfig{Deny: []MatchConfig{{Cookies: map[string]StringMatch{"role": {Exact: "admin"}}}}, Allow: []MatchConfig{{}}},
			[]string{"GET /\nCookie: role=user"},
			[]string{"GET /\nCookie: role=admin", "GET /\nCookie: role=user; role=admin", "GET /\nCookie: role=user\nCookie: role=admin"}},
		{AccessConfig{Allow: []MatchConfig{{Cookies: map[string]StringMatch{"role": {Exact: "user"}}}}},
			[]string{"GET /\nCookie: role=user"},
			[]string{"GET /", "GET /\nCookie: role=user; role=admin", "GET /\nCookie: role=admin; role=user"}},
		{AccessConfig{Deny: []MatchConfig{{Headers: map[string]StringMatch{"host": {Exact: "a"}}}}, Allow: []MatchConfig{{}}},
			[]string{"GET http://b/"},
			[]string{"GET /", "GET http://a/"}},
		{AccessConfig{Deny: []MatchConfig{{Scheme: "http"}}, Allow: []MatchConfig{{}}}, []string{"GET /\nX-Forwarded-Proto: https"}, []string{"GET /", "GET /\nX-Forwarded-Proto: http"}},
		{AccessConfig{Allow: []MatchConfig{{Scheme: "https"}}}, []string{"GET /\nX-Forwarded-Proto: https"}, []string{"GET /"}},
	} {
		for _, where := range []string{"route", "listener"} {
			c := trusting(oneService(ServiceConfig{Endpoints: Addresses(named(t, "let through"))}))
			c.Listeners[0].TrustedPeers = []string{"127.0.0.1"}
			if where == "route" {
				c.Routes[0].Access = &test.access
			} else {
				c.Listeners[0].Access = &test.access
			}
			_, url := start(t, c)
			asked := func(request string) string {
				line, fields, _ := strings.Cut(request+"\n"+inside, "\n")
				if strings.Contains(request, inside[:15]) {
					fields = strings.TrimSuffix(fields, "\n"+inside)
				}
				return raw(t, url, line+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"+strings.ReplaceAll(fields, "\n", "\r\n")+"\r\n\r\n")
			}
			for _, request := range test.through {
				if got := asked(request); !strings.HasSuffix(got, "let through") {
					t.Errorf("%s: %q: got %q", where, request, got)
				}
			}
			for _, request := range test.refused {
				if got := asked(request); !strings.HasPrefix(got, "HTTP/1.1 403 ") && !strings.HasPrefix(got, "HTTP/1.1 400 ") {
					t.Errorf("%s: %q: got %q", where, request, got)
				}
			}
		}
	}
}

func TestConditionThatSaysSomethingIsNotEverything(t *testing.T) {
	if !(MatchConfig{}).Everything() {
		t.Error("a condition that says nothing holds for every request")
	}
	for i := range reflect.TypeFor[MatchConfig]().NumField() {
		var c MatchConfig
		field := reflect.ValueOf(&c).Elem().Field(i)
		switch field.Kind() {
		case reflect.String:
			field.SetString("x")
		case reflect.Pointer:
			field.Set(reflect.New(field.Type().Elem()))
		case reflect.Map:
			field.Set(reflect.MakeMap(field.Type()))
			field.SetMapIndex(reflect.ValueOf("x"), reflect.Zero(field.Type().Elem()))
		case reflect.Slice:
			field.Set(reflect.MakeSlice(field.Type(), 1, 1))
		}
		if c.Everything() {
			t.Errorf("with %s set it holds for every request", reflect.TypeFor[MatchConfig]().Field(i).Name)
		}
	}
}

func TestAccessToPathsAsTheyCame(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "let through"))})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", Paths: PathAsIs}}
	c.Routes[0].Access = &AccessConfig{Allow: []MatchConfig{{Path: path("/a")}}}
	_, url := start(t, c)
	for path, want := range map[string]string{"/a": "200", "/a/%20": "200", "/a/../admin": "403", "/a//b": "403", "/%61": "403", "/a/..;/b": "403", "/b": "403"} {
		if got := raw(t, url, "GET "+path+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 "+want) {
			t.Errorf("%s: got %q, want %s", path, got, want)
		}
	}
}

func TestAccessIsByIdentity(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.sign("gateway", "gateway")
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "let through"))})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", TLS: &TLSConfig{Cert: cert, Key: key, ClientCA: a.path("ca.pem"), ClientAuth: ClientAuthOptional}}}
	c.Routes[0].Access = &AccessConfig{Allow: []MatchConfig{{Identity: &StringMatch{Exact: "shop"}}}}
	records := &notes{}
	g, url := startObserved(t, c, records)
	url = strings.Replace(url, "http:", "https:", 1)
	for _, h2 := range []bool{false, true} {
		for subject, want := range map[string]int{"shop": 200, "shopper": 403, "": 403} {
			config := &tls.Config{InsecureSkipVerify: true}
			if subject != "" {
				config.Certificates = []tls.Certificate{a.pair(subject, subject)}
			}
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: h2}}
			res, body := do(t, client, "GET", url, "")
			client.CloseIdleConnections()
			if res.StatusCode != want || want == 403 && body != "access denied\n" || (res.ProtoMajor == 2) != h2 {
				t.Errorf("%q in %s: got %d %q", subject, res.Proto, res.StatusCode, body)
			}
		}
	}
	if r := records.last(t, 6); r.Status == 403 && r.Reason != ReasonDenied {
		t.Errorf("got the reason %q", r.Reason)
	}
	if n := g.Status().Routes[0].Denied; n != 4 {
		t.Errorf("%d of the route's requests were denied, want 4", n)
	}
}

func TestAccessChangesWhileServing(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "let through"))})
	g, url := start(t, c)
	conn := connect(t, url)
	for _, test := range []struct {
		route, listener *AccessConfig
		want            int
	}{
		{nil, nil, 200},
		{&AccessConfig{Allow: []MatchConfig{{Method: method("POST")}}}, nil, 403},
		{nil, nil, 200},
		{nil, &AccessConfig{Allow: []MatchConfig{{Method: method("POST")}}}, 403},
		{&AccessConfig{Allow: []MatchConfig{{}}}, &AccessConfig{Allow: []MatchConfig{{Method: method("GET")}}}, 200},
	} {
		next := *c
		next.Listeners = []ListenerConfig{{Address: c.Listeners[0].Address, Access: test.listener}}
		next.Routes = []RouteConfig{c.Routes[0]}
		next.Routes[0].Access = test.route
		if err := g.Apply(&next); err != nil {
			t.Fatal(err)
		}
		conn.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if res, body := conn.answer("GET"); res.StatusCode != test.want {
			t.Errorf("%+v: got %d %q", test, res.StatusCode, body)
		}
	}
}

func TestAccessSparesTheLimitOfOthers(t *testing.T) {
	c := limitedBy(t, perHour(1, KeyConfig{}))
	c.Routes[0].Access = &AccessConfig{Allow: []MatchConfig{{Method: method("GET")}}}
	_, url := start(t, c)
	for range 3 {
		res, err := http.Post(url, "", io.LimitReader(strings.NewReader("body"), 4))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 403 {
			t.Errorf("got %d", res.StatusCode)
		}
	}
	if got, _ := get(t, url); got != 200 {
		t.Errorf("what was denied took from the limit: got %d", got)
	}
}
