package gateway

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// paths are ways to write a path, and their normal form; empty: it is refused.
var paths = []struct{ path, normal string }{
	{"/", "/"},
	{"/a", "/a"},
	{"/a/", "/a/"},
	{"/a.b/.c/..d/...", "/a.b/.c/..d/..."},
	{"/a//b///c", "/a/b/c"},
	{"//", "/"},
	{"//admin", "/admin"},
	{"/a//", "/a/"},
	{"/./a/./b/.", "/a/b/"},
	{"/a/../b", "/b"},
	{"/a/b/..", "/a/"},
	{"/a/..", "/"},
	{"/a//../b", "/b"},
	{"/..", ""},
	{"/a/../../b", ""},
	{"/a/%2e%2E/b", "/b"},
	{"/a/.%2e/b", "/b"},
	{"/%61%2D%7e", "/a-~"},
	{"/a%2fb%c3%a9", "/a%2Fb%C3%A9"},
	{"/a%20b%3bc", "/a%20b%3Bc"},
	{"/%252e%252e/a", "/%252e%252e/a"},
	{"/a%00", ""},
	{"/a/..%2fb", ""},
	{"/a%2f..%2fb", ""},
	{"/a%5c..", ""},
	{`/a\..\b`, ""},
	{`/a\b`, `/a\b`},
	{"/a/..;/b", ""},
	{"/a/..;x=1%2fb", ""},
	{"/a/b;x=..", "/a/b;x=.."},
	{"/a/..b%2f..c", "/a/..b%2F..c"},
}

func TestPathsHaveOneForm(t *testing.T) {
	for _, c := range paths {
		got, why := normalPath([]byte(c.path))
		if string(got) != c.normal || (why != "") != (c.normal == "") {
			t.Errorf("%s: got %q (%s), want %q", c.path, got, why, c.normal)
		}
		if plainPath([]byte(c.path)) && c.path != c.normal {
			t.Errorf("%s counts as plain", c.path)
		}
	}
}

func FuzzNormalPath(f *testing.F) {
	for _, c := range paths {
		f.Add(c.path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		var r http1.Request
		if len(path) == 0 || path[0] != '/' || r.Take("GET", []byte(path), []byte("a"), nil, http1.Framing{}, &http1.Limits{}) != nil {
			return
		}
		before := bytes.Clone(r.Path)
		normal, why := normalPath(r.Path)
		if !bytes.Equal(before, r.Path) {
			t.Fatalf("%q was written to", before)
		}
		if why != "" {
			return
		}
		if again, why := normalPath(normal); why != "" || !bytes.Equal(normal, again) {
			t.Fatalf("%q became %q and then %q (%s)", before, normal, again, why)
		}
		if plainPath(before) && !bytes.Equal(before, normal) {
			t.Fatalf("%q counts as plain and became %q", before, normal)
		}
		for _, bad := range []string{"//", "/./", "/../", "/..;", "%2F../", "%00"} {
			if strings.Contains(string(normal)+"/", bad) && bad != "//" || strings.Contains(string(normal), "//") {
				t.Fatalf("%q became %q", before, normal)
			}
		}
	})
}

// echoTarget is an endpoint that answers with what it was asked for.
func echoTarget(t *testing.T) string {
	return origin(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RequestURI) })
}

func TestRoutesAndServicesSeeOnePath(t *testing.T) {
	admin, web := named(t, "admin"), echoTarget(t)
	for form, want := range map[PathForm]map[string]string{
		"": {
			"/a": "/a", "/a//b?c=//../d": "/a/b?c=//../d", "/a/../b": "/b", "/%61": "/a", "/a%2fb": "/a%2Fb",
			"/admin": "admin", "//admin": "admin", "/x/../admin": "admin", "/%61dmin/x": "admin", "/./admin": "admin",
			"/x/..%2fadmin": "400", "/../admin": "400",
		},
		PathRefuse: {"/a": "/a", "/a?b=//": "/a?b=//", "/a%2Fb": "/a%2Fb", "/a%2fb": "400", "//admin": "400", "/x/../admin": "400", "/admin": "admin"},
		PathAsIs:   {"/a//b": "/a//b", "//admin": "//admin", "/x/../admin": "/x/../admin", "/a%2fb": "/a%2fb"},
	} {
		c := oneService(ServiceConfig{Endpoints: Addresses(web)})
		c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", Paths: form}}
		c.Services["admin"] = ServiceConfig{Endpoints: Addresses(admin)}
		c.Routes = append([]RouteConfig{{Match: []MatchConfig{{Path: &StringMatch{Prefix: "/admin"}}}, To: []DestinationConfig{{Service: "admin"}}}}, c.Routes...)
		_, base := start(t, c)
		two := http2Client(t, nil)
		for path, want := range want {
			answers := map[string]string{"HTTP/1.1": raw(t, base, "GET "+path+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")}
			if !strings.HasPrefix(path, "//") { // a client in Go could not say that
				req, _ := http.NewRequest("GET", base, nil)
				req.URL.Opaque, req.URL.RawQuery, _ = strings.Cut(path, "?")
				res, err := two.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(res.Body)
				res.Body.Close()
				answers["HTTP/2"] = "HTTP/2.0 " + res.Status + "\r\n\r\n" + string(body)
			}
			for protocol, got := range answers {
				_, status, _ := strings.Cut(got, " ")
				_, body, _ := strings.Cut(got, "\r\n\r\n")
				if body != want && !(want == "400" && strings.HasPrefix(status, want)) {
					t.Errorf("%s: %s: %s: got %q, want %s", form, protocol, path, got, want)
				}
			}
		}
	}
}

func TestNoOpenProxy(t *testing.T) {
	elsewhere := named(t, "elsewhere")
	c := oneService(ServiceConfig{Endpoints: Addresses(echoTarget(t))})
	c.Routes[0].Match = []MatchConfig{{Host: "shop.example"}}
	_, url := start(t, c)
	for name, test := range map[string]struct{ request, want string }{
		"a URL of a host without a route": {"GET http://" + elsewhere + "/ HTTP/1.1\r\nHost: shop.example\r\n\r\n", "404"},
		"a URL of a host with one":        {"GET http://shop.example/a//b HTTP/1.1\r\nHost: " + elsewhere + "\r\n\r\n", "/a/b"},
		"CONNECT":                         {"CONNECT " + elsewhere + " HTTP/1.1\r\nHost: " + elsewhere + "\r\n\r\n", "501"},
		"a foreign Host":                  {"GET / HTTP/1.1\r\nHost: " + elsewhere + "\r\n\r\n", "404"},
	} {
		got := raw(t, url, strings.Replace(test.request, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1))
		if !strings.HasPrefix(got, "HTTP/1.1 "+test.want) && !strings.HasSuffix(got, test.want) {
			t.Errorf("%s: got %q, want %s", name, got, test.want)
		}
	}
}
