package gateway

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

func TestSPIFFEPatternsMatchOneIDOrAllBelow(t *testing.T) {
	for _, test := range []struct {
		pattern SPIFFEPattern
		id      string
		want    bool
	}{
		{"spiffe://shop.internal/web", "spiffe://shop.internal/web", true},
		{"spiffe://shop.internal/web", "spiffe://shop.internal/web/a", false},
		{"spiffe://shop.internal/web", "spiffe://bank.internal/web", false},
		{"spiffe://shop.internal/*", "spiffe://shop.internal/web", true},
		{"spiffe://shop.internal/*", "spiffe://shop.internal.example/web", false},
		{"spiffe://shop.internal/web/*", "spiffe://shop.internal/web/a", true},
		{"spiffe://shop.internal/web/*", "spiffe://shop.internal/web", false},
		{"spiffe://shop.internal/web/*", "spiffe://shop.internal/website/a", false},
		{"spiffe://shop.internal", "spiffe://shop.internal/web", false}, // no pattern
	} {
		if got := test.pattern.matches(spiffeid.RequireFromString(test.id)); got != test.want {
			t.Errorf("%s matches %s: got %v", test.pattern, test.id, got)
		}
	}
}

func TestOnlyClientsOfTheListedIdentitiesAreLetIn(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.sign("shop", "shop.example")
	_, n, address := startTLS(t, secured(
		&TLSConfig{Cert: cert, Key: key, ClientCA: a.path("ca.pem"), ClientIDs: []SPIFFEPattern{"spiffe://shop.internal/cart", "spiffe://shop.internal/ops/*"}},
		ServiceConfig{Endpoints: Addresses(echo(t))}))
	let := 0
	for i, test := range []struct {
		subject string
		let     bool
	}{
		{"spiffe://shop.internal/cart", true},
		{"spiffe://shop.internal/ops/ann", true},
		{"spiffe://shop.internal/web", false},
		{"spiffe://bank.internal/cart", false}, // the same authority does not make it the same trust domain
		{"cart.shop.internal", false},
	} {
		pair, err := tls.LoadX509KeyPair(a.sign(string(rune('a'+i)), test.subject))
		if err != nil {
			t.Fatal(err)
		}
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool, ServerName: "shop.example", Certificates: []tls.Certificate{pair}}}}
		res, err := c.Get("https://" + address)
		if (err == nil) != test.let {
			t.Errorf("%s: got %v", test.subject, err)
		}
		if err == nil {
			res.Body.Close()
			c.CloseIdleConnections()
			let++
			n.last(t, let) // the next one may be faster than its record
		}
	}
	if r := n.last(t, 2); r.Identity != "spiffe://shop.internal/ops/ann" {
		t.Errorf("noted %q", r.Identity)
	}
}

func TestEndpointsAreKnownByTheirIdentity(t *testing.T) {
	a := newAuthority(t)
	for subject, want := range map[string]int{
		"spiffe://shop.internal/web":  200, // no host name is in it
		"spiffe://shop.internal/cart": 503,
		"spiffe://bank.internal/web":  503,
		"127.0.0.1":                   503, // for which a certificate would do without serverIDs
	} {
		pair, err := tls.LoadX509KeyPair(a.sign("endpoint", subject))
		if err != nil {
			t.Fatal(err)
		}
		listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
		if err != nil {
			t.Fatal(err)
		}
		origin := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })}
		go origin.Serve(listener)
		t.Cleanup(func() { origin.Close() })
		c := oneService(ServiceConfig{Endpoints: Addresses(listener.Addr().String()),
			TLS: &UpstreamTLSConfig{CA: a.path("ca.pem"), ServerIDs: []SPIFFEPattern{"spiffe://shop.internal/web"}}})
		_, url := start(t, c)
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: got %d, want %d", subject, res.StatusCode, want)
		}
	}
}

func TestIdentitiesAndRenewalsAreValidated(t *testing.T) {
	listener := func(c TLSConfig) *Config { return &Config{Listeners: []ListenerConfig{{Address: ":1", TLS: &c}}} }
	service := func(c UpstreamTLSConfig) *Config {
		return oneService(ServiceConfig{Endpoints: Addresses("127.0.0.1:9001"), TLS: &c})
	}
	for _, test := range []struct {
		config     *Config
		path, want string
	}{
		{listener(TLSConfig{Cert: "a", ClientIDs: []SPIFFEPattern{"spiffe://a/b"}}), "listeners.0.tls.clientIDs", "says nothing without clientCA"},
		{listener(TLSConfig{Cert: "a", ClientCA: "b", ClientIDs: []SPIFFEPattern{"web"}}), "listeners.0.tls.clientIDs.0", "want a SPIFFE ID such as"},
		{listener(TLSConfig{Cert: "a", ClientCA: "b", ClientIDs: []SPIFFEPattern{"spiffe://a/b", "spiffe://c/d"}}), "listeners.0.tls.clientIDs.1", "is of the trust domain c and another of a"},
		{listener(TLSConfig{Cert: "a", Key: "b", RenewFrom: "ca"}), "listeners.0.tls.renewFrom", "leave key out"},
		{listener(TLSConfig{Certificates: []CertificateConfig{{Cert: "a", Key: "b", RenewFrom: "ca"}}}), "listeners.0.tls.certificates.0.renewFrom", "leave key out"},
		{service(UpstreamTLSConfig{ServerIDs: []SPIFFEPattern{"spiffe://a/b"}}), "services.web.tls.serverIDs", "needs ca"},
		{service(UpstreamTLSConfig{InsecureSkipVerify: true, ServerIDs: []SPIFFEPattern{"spiffe://a/b"}}), "services.web.tls.serverIDs", "says nothing with insecureSkipVerify"},
		{service(UpstreamTLSConfig{RenewFrom: "ca"}), "services.web.tls.renewFrom", "renews which certificate?"},
	} {
		err := test.config.Validate()
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.path) {
			t.Errorf("got %v, want %s: ...%s", err, test.path, test.want)
		}
	}
}
