package gateway

import (
	"net/http"
	"testing"
)

func TestTextMatchers(t *testing.T) {
	for _, c := range []struct {
		match StringMatch
		yes   []string
		no    []string
	}{
		{StringMatch{}, []string{"", "x"}, nil},
		{StringMatch{Exact: "/a"}, []string{"/a"}, []string{"/", "/A", "/a/", "/ab"}},
		{StringMatch{Exact: "/a", IgnoreCase: true}, []string{"/a", "/A"}, []string{"/b"}},
		{StringMatch{Prefix: "/a"}, []string{"/a", "/a/", "/a/b"}, []string{"/", "/ab", "/A"}},
		{StringMatch{Prefix: "/a/"}, []string{"/a/", "/a/b"}, []string{"/a", "/ab"}},
		{StringMatch{Prefix: "/"}, []string{"/", "/a"}, []string{"", "*"}},
		{StringMatch{Prefix: "/a", BytePrefix: true}, []string{"/a", "/ab"}, []string{"/b"}},
		{StringMatch{Prefix: "/a", IgnoreCase: true}, []string{"/A/b"}, []string{"/Ab"}},
		{StringMatch{Regex: "a|b"}, []string{"a", "b"}, []string{"ab", "xa", "bx"}},
		{StringMatch{Regex: "a+", IgnoreCase: true}, []string{"aA"}, []string{""}},
	} {
		m := newTextMatcher(c.match)
		for _, text := range c.yes {
			if !m.matches([]byte(text)) {
				t.Errorf("%+v does not match %q", c.match, text)
			}
		}
		for _, text := range c.no {
			if m.matches([]byte(text)) {
				t.Errorf("%+v matches %q", c.match, text)
			}
		}
	}
}

func TestHostOnlyDropsThePortAndLowersTheName(t *testing.T) {
	for host, want := range map[string]string{
		"": "", "a": "a", "A.Example": "a.example", "a:80": "a", "a:": "a", "a.example.": "a.example", "a.example.:80": "a.example",
		"[::1]": "[::1]", "[::1]:80": "[::1]", "[FE80::1]:80": "[fe80::1]",
	} {
		given := []byte(host)
		if got := string(hostOnly(given, make([]byte, 64))); got != want {
			t.Errorf("%q: got %q, want %q", host, got, want)
		}
		if string(given) != host {
			t.Errorf("%q was changed to %q: the endpoint is to see it as it came", host, given)
		}
	}
}

func TestWildcardHostTakesNamesBelowIt(t *testing.T) {
	m := newMatcher(MatchConfig{Host: "*.Example.com"})
	for host, want := range map[string]bool{
		"a.example.com": true, "a.b.example.com": true, "example.com": false, ".example.com": false, "aexample.com": false, "a.example.org": false,
	} {
		if got := m.matchesHost([]byte(host)); got != want {
			t.Errorf("%q: got %v", host, got)
		}
	}
}

func TestConfiguredHostMayEndWithADot(t *testing.T) {
	m := newMatcher(MatchConfig{Host: "a.example."})
	if !m.matchesHost([]byte("a.example")) {
		t.Error("the fully qualified name is another than the name")
	}
}

// TestHostAsAFieldIsThatOfTheRequest holds in HTTP/2 too, which has no such field.
func TestHostAsAFieldIsThatOfTheRequest(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "page"))})
	c.Routes[0].Match = []MatchConfig{{Headers: map[string]StringMatch{"Host": {Exact: "shop.example"}}}}
	_, url := start(t, c)
	for protocol, client := range clients(t) {
		for host, want := range map[string]int{"shop.example": 200, "bank.example": 404} {
			req, _ := http.NewRequest("GET", url, nil)
			req.Host = host
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("%s in %s: got %d, want %d", host, protocol, res.StatusCode, want)
			}
		}
	}
}

// TestFieldsOfOneNameAreAList: RFC 9110, section 5.3.
func TestFieldsOfOneNameAreAList(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "page"))})
	c.Routes[0].Match = []MatchConfig{{Headers: map[string]StringMatch{"X-Tag": {Exact: "a, b"}}}}
	_, url := start(t, c)
	for _, test := range []struct {
		said []string
		want int
	}{
		{[]string{"X-Tag: a, b"}, 200}, {[]string{"X-Tag: a", "X-Other: x", "x-tag: b"}, 200},
		{[]string{"X-Tag: a"}, 404}, {[]string{"X-Tag: b", "X-Tag: a"}, 404}, {nil, 404},
	} {
		if res, _ := ask(t, url, test.said...); res.StatusCode != test.want {
			t.Errorf("%q: got %d, want %d", test.said, res.StatusCode, test.want)
		}
	}
}
