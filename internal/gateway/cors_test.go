package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// asking sends a request with fields, and tells what the answer says of CORS.
func asking(t *testing.T, client *http.Client, method, url string, fields ...string) (status int, said http.Header, body string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	all, _ := io.ReadAll(res.Body)
	said = http.Header{}
	for name, values := range res.Header {
		if strings.HasPrefix(name, "Access-Control-") || name == "Vary" {
			said[name] = values
		}
	}
	return res.StatusCode, said, string(all)
}

func sameFields(got http.Header, want map[string]string) bool {
	for name, value := range want {
		if strings.Join(got.Values(name), "|") != value {
			return false
		}
	}
	return len(got) == len(want)
}

func TestCORS(t *testing.T) {
	const own = "https://service.example"
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", own)
		w.Header().Set("Vary", "Accept")
		if r.URL.Path == "/fail" {
			w.WriteHeader(500)
		}
		io.WriteString(w, r.Method)
	})
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Routes[0].CORS = &CORSConfig{
		Origins: []string{"https://shop.example", "https://*.Shop.example:8443"}, Methods: []string{"GET", "PUT"},
		Headers: []string{"X-Cart"}, ExposeHeaders: []string{"X-Sum"}, Credentials: true, MaxAge: 600e9,
	}
	path := func(p string) []MatchConfig { return []MatchConfig{{Path: &StringMatch{Prefix: p}}} }
	put := path("/put")
	put[0].Method = &StringMatch{Exact: "PUT"}
	to := c.Routes[0].To
	any := &CORSConfig{Origins: []string{"*"}, Methods: []string{"*"}, Headers: []string{"*"}}
	pass := &CORSConfig{Patterns: []StringMatch{{Prefix: "https://a."}, {Regex: "https://b[0-9]"}}, PassOthers: true}
	c.Routes = append([]RouteConfig{
		{Match: path("/any"), To: to, CORS: any},
		{Match: put, To: to, CORS: any},
		{Match: path("/pass"), To: to, CORS: pass},
		{Match: path("/closed"), To: to, CORS: any, Access: &AccessConfig{Allow: []MatchConfig{{Identity: &StringMatch{Exact: "nobody"}}}}},
		{Match: path("/none"), To: to},
	}, c.Routes...)
	g, url := start(t, c)
	granted := map[string]string{"Access-Control-Allow-Origin": "https://shop.example", "Access-Control-Allow-Credentials": "true", "Access-Control-Expose-Headers": "X-Sum", "Vary": "Accept|Origin"}
	refused := map[string]string{"Vary": "Accept|Origin"}
	asks := "Access-Control-Request-Method, Access-Control-Request-Headers"
	for _, client := range []*http.Client{http.DefaultClient, http2Client(t, nil)} {
		for _, test := range []struct {
			method, path string
			fields       []string
			status       int
			want         map[string]string
		}{
			{"GET", "/", []string{"Origin", "https://shop.example"}, 200, granted},
			{"GET", "/fail", []string{"Origin", "https://shop.example"}, 500, granted},
			{"GET", "/", nil, 200, refused},
			{"GET", "/", []string{"Origin", "https://evil.example"}, 200, refused},
			{"GET", "/", []string{"Origin", "http://shop.example"}, 200, refused},
			{"GET", "/", []string{"Origin", "https://shop.example.evil.example"}, 200, refused},
			{"GET", "/", []string{"Origin", "https://a.b.shop.example:8443"}, 200, map[string]string{
				"Access-Control-Allow-Origin": "https://a.b.shop.example:8443", "Access-Control-Allow-Credentials": "true", "Access-Control-Expose-Headers": "X-Sum", "Vary": "Accept|Origin"}},
			{"GET", "/", []string{"Origin", "https://evil.example/.shop.example:8443"}, 200, refused},
			{"OPTIONS", "/", []string{"Origin", "https://shop.example", "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "x-cart"}, 204, map[string]string{
				"Access-Control-Allow-Origin": "https://shop.example", "Access-Control-Allow-Credentials": "true", "Access-Control-Allow-Methods": "GET, PUT",
				"Access-Control-Allow-Headers": "X-Cart", "Access-Control-Max-Age": "600", "Vary": asks + "|Origin"}},
			{"OPTIONS", "/", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "PUT"}, 204, map[string]string{"Vary": asks + "|Origin"}},
			{"OPTIONS", "/", []string{"Origin", "https://shop.example"}, 200, granted}, // no preflight
			{"GET", "/any", []string{"Origin", "https://evil.example"}, 200, map[string]string{"Access-Control-Allow-Origin": "*", "Vary": "Accept"}},
			{"OPTIONS", "/any", []string{"Origin", "null", "Access-Control-Request-Method", "BREW", "Access-Control-Request-Headers", "a,b"}, 204, map[string]string{
				"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "BREW", "Access-Control-Allow-Headers": "a,b", "Vary": asks}},
			{"OPTIONS", "/put", []string{"Origin", "https://x.example", "Access-Control-Request-Method", "PUT"}, 204, map[string]string{
				"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "PUT", "Vary": asks}},
			{"GET", "/pass", []string{"Origin", "https://a.example"}, 200, map[string]string{"Access-Control-Allow-Origin": "https://a.example", "Vary": "Accept|Origin"}},
			{"GET", "/pass", []string{"Origin", "https://b7"}, 200, map[string]string{"Access-Control-Allow-Origin": "https://b7", "Vary": "Accept|Origin"}},
			{"GET", "/pass", []string{"Origin", "https://b77"}, 200, map[string]string{"Access-Control-Allow-Origin": own, "Vary": "Accept|Origin"}},
			{"OPTIONS", "/pass", []string{"Origin", "https://c.example", "Access-Control-Request-Method", "PUT"}, 200, map[string]string{"Access-Control-Allow-Origin": own, "Vary": "Accept|Origin"}},
			{"GET", "/closed", []string{"Origin", "https://x.example"}, 403, map[string]string{"Access-Control-Allow-Origin": "*"}},
			{"OPTIONS", "/closed", []string{"Origin", "https://x.example", "Access-Control-Request-Method", "GET"}, 204, map[string]string{
				"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET", "Vary": asks}},
			{"OPTIONS", "/none", []string{"Origin", "https://x.example", "Access-Control-Request-Method", "GET"}, 200, map[string]string{"Access-Control-Allow-Origin": own, "Vary": "Accept"}},
		} {
			status, said, _ := asking(t, client, test.method, url+test.path, test.fields...)
			if status != test.status || !sameFields(said, test.want) {
				t.Errorf("%s %s with %q:\ngot  %d %v\nwant %d %v", test.method, test.path, test.fields, status, said, test.status, test.want)
			}
		}
	}
	if n := g.Status().Services[0].Endpoints[0].Requests; n == 0 {
		t.Error("the endpoint got nothing")
	}
}

func TestValidateCORS(t *testing.T) {
	for _, test := range []struct {
		config     CORSConfig
		path, want string
	}{
		{CORSConfig{}, "origins", "name the pages"},
		{CORSConfig{Origins: []string{"*"}, Credentials: true}, "origins.0", "any page could act as the user"},
		{CORSConfig{Origins: []string{"shop.example"}}, "origins.0", "want an origin such as https://shop.example"},
		{CORSConfig{Origins: []string{"https://shop.example/"}}, "origins.0", "an origin ends with its host and port"},
		{CORSConfig{Origins: []string{"https://shop*.example"}}, "origins.0", "a * stands for the names before a dot"},
		{CORSConfig{Origins: []string{"https://*.*.example"}}, "origins.0", "a * stands for the names before a dot"},
		{CORSConfig{Origins: []string{"*"}, Methods: []string{"A B"}}, "methods.0", "want a name or *"},
		{CORSConfig{Origins: []string{"*"}, MaxAge: -1}, "maxAge", "want a time from 0"},
	} {
		c := oneService(ServiceConfig{Endpoints: Addresses("127.0.0.1:1")})
		c.Routes[0].CORS = &test.config
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), "routes.0.cors."+test.path+": ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v", test.config, err)
		}
	}
}
