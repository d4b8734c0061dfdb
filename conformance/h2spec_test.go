package conformance_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// h2specCases is how many cases there are, so that none is left out unseen.
const h2specCases = 146

// TestH2Spec runs every case against listeners with and without TLS.
func TestH2Spec(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "hello")
	}))
	t.Cleanup(origin.Close)
	c := plain(gateway.ServiceConfig{Endpoints: gateway.Addresses(strings.TrimPrefix(origin.URL, "http://"))})
	cert := selfSigned(t)
	c.Listeners = append(c.Listeners, gateway.ListenerConfig{Address: "localhost:0", TLS: &gateway.TLSConfig{Cert: cert}, DrainTimeout: time.Second})
	_, _, addresses := start(t, c)
	for i, address := range addresses {
		t.Run([]string{"plain", "TLS"}[i], func(t *testing.T) {
			host, port, _ := net.SplitHostPort(address)
			n, _ := strconv.Atoi(port)
			o := &config.Config{Host: host, Port: n, Path: "/", Timeout: 5 * time.Second, MaxHeaderLen: 4000, Strict: true, TLS: i == 1, Insecure: true}
			total := 0
			for _, group := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
				group.Test(o)
				total += group.PassedCount + group.FailedCount + group.SkippedCount
				tell(t, group)
			}
			if total != h2specCases {
				t.Errorf("%d cases, want %d", total, h2specCases)
			}
		})
	}
}

// tell reports what failed, and what was not run.
func tell(t *testing.T, group *spec.TestGroup) {
	for _, one := range group.Groups {
		tell(t, one)
	}
	for _, one := range append(group.Tests, group.StrictTests...) {
		name := fmt.Sprintf("%s %s: %s", group.Section, group.Name, one.Desc)
		switch r := one.Result; {
		case r == nil:
			t.Errorf("%s was not run", name)
		case r.Failed:
			t.Errorf("%s: %s\n%v", name, one.Requirement, r.Error)
		case r.Skipped:
			t.Logf("%s was skipped", name)
		}
	}
}

// selfSigned is a file with a certificate and its key.
func selfSigned(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := x509.MarshalPKCS8PrivateKey(key)
	name := filepath.Join(t.TempDir(), "all.pem")
	data := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
