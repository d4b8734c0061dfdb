package gateway

import (
	"bytes"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// echoFields answers with the request's fields, one a line.
func echoFields(t *testing.T) string {
	return origin(t, func(w http.ResponseWriter, r *http.Request) { _ = r.Header.Write(w) })
}

// ask sends a GET with fields of "Name: value" and returns the response.
func ask(t *testing.T, url string, fields ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		if name == "Host" {
			req.Host = value
		} else {
			req.Header.Add(name, value)
		}
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// trusting is a listener whose clients of this machine, and those of a network,
// are trusted peers.
func trusting(c *Config) *Config {
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", TrustedPeers: []string{"127.0.0.1", "10.0.0.0/8", "fd00::/8"}}}
	return c
}

func TestClientIsTheRightmostHopThatIsNotTrusted(t *testing.T) {
	records := make(recorder, 1)
	c := trusting(oneService(ServiceConfig{Endpoints: Addresses(echoFields(t))}))
	_, url := startObserved(t, c, records)
	for _, test := range []struct {
		client, via string
		said        []string
	}{
		{"192.0.2.7", "192.0.2.7, 127.0.0.1", []string{"X-Forwarded-For: 192.0.2.7"}},
		{"192.0.2.7", "192.0.2.7, 10.1.1.1, 127.0.0.1", []string{"X-Forwarded-For: 6.6.6.6, 192.0.2.7, 10.1.1.1"}},
		{"192.0.2.7", "192.0.2.7, 10.1.1.1, 127.0.0.1", []string{"X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 192.0.2.7:4711", "X-Forwarded-For: 10.1.1.1"}},
		{"10.2.2.2", "10.2.2.2, 10.1.1.1, 127.0.0.1", []string{"X-Forwarded-For: 10.2.2.2,10.1.1.1"}},
		{"2001:db8::7", "2001:db8::7, fd00::1, 127.0.0.1", []string{"X-Forwarded-For: [2001:db8::7]:80, fd00::1"}},
		{"192.0.2.7", "192.0.2.7, 127.0.0.1", []string{"X-Forwarded-For: ::ffff:192.0.2.7"}},
		{"10.1.1.1", "10.1.1.1, 127.0.0.1", []string{"X-Forwarded-For: 192.0.2.7, unknown, 10.1.1.1"}},
		{"127.0.0.1", "127.0.0.1", []string{"X_Forwarded_For: 192.0.2.7"}},
		{"192.0.2.7", "192.0.2.7, 127.0.0.1", []string{"X-Forwarded-For: 192.0.2.7", "X_Forwarded_For: 10.0.0.5"}},
		{"127.0.0.1", "127.0.0.1", []string{"X-Forwarded-For: , "}},
		{"127.0.0.1", "127.0.0.1", nil},
		{"10.0.0.1", strings.Repeat("10.0.0.1, ", hopsMax) + "127.0.0.1", []string{"X-Forwarded-For: " + strings.Repeat("10.0.0.1, ", 40) + "10.0.0.1"}},
	} {
		_, body := ask(t, url, test.said...)
		if !strings.Contains(body, "X-Forwarded-For: "+test.via+"\r\n") {
			t.Errorf("%q: the service is told %q", test.said, body)
		}
		if r := <-records; r.Client.Addr().String() != test.client || r.Peer.IsValid() != (test.client != "127.0.0.1") {
			t.Errorf("%q: the record has client %v, peer %v", test.said, r.Client, r.Peer)
		}
	}
}

func TestForwardedIsReadLikeXForwardedFor(t *testing.T) {
	records := make(recorder, 1)
	c := trusting(oneService(ServiceConfig{Endpoints: Addresses(echoFields(t))}))
	_, url := startObserved(t, c, records)
	const here = "127.0.0.1"
	for _, test := range []struct {
		client, via, scheme, host string
		said                      []string
	}{
		{"192.0.2.7", "192.0.2.7, ", "https", "shop.example", []string{"Forwarded: for=192.0.2.7;proto=https;host=shop.example;by=10.1.1.1"}},
		{"192.0.2.7", "192.0.2.7, 10.1.1.1, ", "https", "", []string{"Forwarded: for=6.6.6.6;proto=gopher, For=192.0.2.7;Proto=https , for=10.1.1.1;proto=http"}},
		{"192.0.2.7", "192.0.2.7, 10.1.1.1, ", "http", "", []string{"Forwarded: for=6.6.6.6", `Forwarded: for="192.0.2.7:4711", for=10.1.1.1`}},
		{"2001:db8::7", "2001:db8::7, ", "http", "", []string{`Forwarded: for="[2001:db8::7]:4711"`}},
		{"192.0.2.7", "192.0.2.7, ", "http", "a.example:81", []string{`Forwarded: for="\192.0.2.7";ext="a, b;\"c";host="a.example:81"`}},
		{here, "", "https", "", []string{"Forwarded: for=192.0.2.7, for=_hidden;proto=https"}},
		{here, "", "https", "", []string{"Forwarded: for=192.0.2.7;proto=http, for=unknown;proto=https"}},
		{"192.0.2.7", "192.0.2.7, ", "http", "", []string{"Forwarded: , for=192.0.2.7,,"}},
		{here, "", "http", "", []string{`Forwarded: for=192.0.2.7;proto=https, for="10.1.1.1`}},
		{here, "", "http", "", []string{"Forwarded: for=192.0.2.7;for=192.0.2.8"}},
		{here, "", "http", "", []string{"Forwarded: for =192.0.2.7"}},
		{here, "", "http", "", []string{"Forwarded: 192.0.2.7"}},
		{here, "", "https", "", []string{"Forwarded: for=192.0.2.7", "X-Forwarded-Proto: https"}},
		{"192.0.2.8", "192.0.2.8, ", "http", "", []string{"Forwarded: for=192.0.2.7", "X-Forwarded-For: 192.0.2.8"}},
		{"192.0.2.7", "192.0.2.7, ", "http", "", []string{"Forwarded: for=192.0.2.7", "X_Forwarded_For: 192.0.2.8"}},
		{"10.0.0.1", strings.Repeat("10.0.0.1, ", hopsMax), "http", "", []string{"Forwarded: " + strings.Repeat("for=10.0.0.1, ", 40) + "for=10.0.0.1"}},
	} {
		_, body := ask(t, url, test.said...)
		for _, want := range []string{"X-Forwarded-For: " + test.via + here, "X-Forwarded-Proto: " + test.scheme, "X-Forwarded-Host: " + test.host} {
			if !strings.Contains(body, want) {
				t.Errorf("%q: no %s in %q", test.said, want, body)
			}
		}
		if r := <-records; r.Client.Addr().String() != test.client {
			t.Errorf("%q: the record has client %v", test.said, r.Client)
		}
	}
	if _, body := ask(t, url, "Forwarded: for=192.0.2.7"); strings.Contains(body, "Forwarded: for") {
		t.Errorf("it is passed on: %s", body)
	}
	<-records
	_, url = start(t, oneService(ServiceConfig{Endpoints: Addresses(echoFields(t))}))
	if _, body := ask(t, url, "Forwarded: for=192.0.2.7;proto=https"); strings.Contains(body, "192.0.2.7") || strings.Contains(body, "https") {
		t.Errorf("a stranger is believed: %s", body)
	}
}

// FuzzForwarded wants of what could be read that it is there as it was said, and
// no more of it than may be.
func FuzzForwarded(f *testing.F) {
	for _, field := range []string{
		"for=192.0.2.7;proto=https;host=shop.example", `for="[2001:db8::7]:4711", for=_hidden`, `for="a\"b";ext="x, y"`, "for=1,,for=2", ";", `for="`,
	} {
		f.Add([]byte(field))
	}
	f.Fuzz(func(t *testing.T, field []byte) {
		elements, ok := parseForwarded(nil, field)
		if !ok && elements != nil || len(elements) > hopsMax || len(elements) > 1+bytes.Count(field, []byte(",")) {
			t.Errorf("%q is read as %q, %v", field, elements, ok)
		}
		var o originator
		o.followForwarded([]http1.Field{{Name: []byte("Forwarded"), Value: field}}, nil)
		if !ok && (o.client.IsValid() || o.scheme != nil || o.host != nil) {
			t.Errorf("%q is not well-formed and says %+v", field, o)
		}
		for _, e := range elements {
			for _, part := range [...][]byte{e.node, e.scheme, e.host} {
				if part != nil && (len(part) == 0 || !bytes.Contains(bytes.ReplaceAll(field, []byte(`\`), nil), bytes.ReplaceAll(part, []byte(`\`), nil))) {
					t.Errorf("%q holds no %q", field, part)
				}
			}
		}
	})
}

// FuzzXForwardedFor wants addresses of whoever is taken for the client.
func FuzzXForwardedFor(f *testing.F) {
	for _, field := range []string{"192.0.2.7", "6.6.6.6, 192.0.2.7, 10.1.1.1", "[2001:db8::7]:80, fd00::1", ", ", "unknown"} {
		f.Add([]byte(field))
	}
	trusted := networks{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	f.Fuzz(func(t *testing.T, field []byte) {
		var o originator
		o.follow([]http1.Field{{Name: []byte("X-Forwarded-For"), Value: field}}, trusted)
		hops := bytes.Split(bytes.TrimSuffix(o.via, hopSeparate), hopSeparate)
		if o.client.IsValid() != (o.via != nil) || len(hops) > hopsMax {
			t.Fatalf("%q has client %v by %q", field, o.client, o.via)
		}
		for i, hop := range hops {
			address, err := netip.ParseAddr(string(hop))
			if o.via == nil {
				break
			}
			if err != nil || i > 0 && !trusted.hold(address) || i == 0 && address != o.client {
				t.Errorf("%q has client %v by %q", field, o.client, o.via)
			}
		}
	})
}

func TestProvenanceIsBelievedFromTrustedPeersOnly(t *testing.T) {
	said := []string{"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example", "X-Forwarded-Port: 8443",
		"X-Real-Ip: 192.0.2.7", "Forwarded: for=192.0.2.7", "X_Forwarded_For: 192.0.2.7", "X-Request-Id: trace-17", "Host: inner.example"}
	own := oneService(ServiceConfig{Endpoints: Addresses(echoFields(t))})
	_, url := start(t, own)
	res, body := ask(t, url, said...)
	for _, not := range []string{"192.0.2.7", "https", "shop.example", "8443", "trace-17"} {
		if strings.Contains(body, not) {
			t.Errorf("a stranger is believed: %s", body)
		}
	}
	if id := res.Header.Get("X-Request-Id"); len(id) != 32 || !strings.Contains(body, "X-Request-Id: "+id+"\r\n") {
		t.Errorf("the id of the response is %q, the service's is in %s", id, body)
	}
	_, url = start(t, trusting(own))
	res, body = ask(t, url, said...)
	for _, want := range []string{"X-Forwarded-For: 192.0.2.7, 127.0.0.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example", "X-Forwarded-Port: 8443", "X-Request-Id: trace-17"} {
		if !strings.Contains(body, want+"\r\n") {
			t.Errorf("no %s in %s", want, body)
		}
	}
	for _, not := range []string{"X-Real-Ip", "Forwarded: for", "X_Forwarded"} {
		if strings.Contains(body, not) {
			t.Errorf("%s is passed on: %s", not, body)
		}
	}
	if id := res.Header.Get("X-Request-Id"); id != "trace-17" {
		t.Errorf("the response's id is %q", id)
	}
	res, body = ask(t, url, "X-Forwarded-Proto: gopher", "X-Forwarded-Host: a b", "X-Forwarded-Port: x", "X-Request-Id: "+strings.Repeat("x", 200))
	if strings.Contains(body, "gopher") || strings.Contains(body, "a b") || strings.Contains(body, "Port") || len(res.Header.Get("X-Request-Id")) != 32 {
		t.Errorf("nonsense of a trusted peer goes on: %s", body)
	}
}

func TestRequestIDIsInAfloatsOwnAnswers(t *testing.T) {
	_, url := start(t, &Config{})
	first, _ := ask(t, url)
	second, _ := ask(t, url)
	one, two := first.Header.Get("X-Request-Id"), second.Header.Get("X-Request-Id")
	if first.StatusCode != 404 || len(one) != 32 || one == two {
		t.Errorf("status %d, ids %q and %q", first.StatusCode, one, two)
	}
}

func TestConnectionFieldCannotNameAddedFieldsAway(t *testing.T) {
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(echoFields(t))}))
	_, body := ask(t, url, "Connection: X-Forwarded-For, X-Request-Id")
	if !strings.Contains(body, "X-Forwarded-For: 127.0.0.1") || !strings.Contains(body, "X-Request-Id: ") {
		t.Errorf("got %s", body)
	}
}

// recorder is told of requests and passes copies of their records on.
type recorder chan Record

func (c recorder) Route(string, string) RequestObserver { return c }
func (c recorder) Endpoint(string, string) TryObserver  { return nothing{} }
func (c recorder) Event(Event)                          {}
func (c recorder) Request(r *Record) {
	kept := *r
	kept.Host, kept.Path, kept.RequestID = []byte(string(r.Host)), []byte(string(r.Path)), []byte(string(r.RequestID))
	c <- kept
}
