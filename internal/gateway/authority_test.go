package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// authority signs certificates and writes them into a folder of the test.
type authority struct {
	t      *testing.T
	dir    string
	serial int64
	leaf   *x509.Certificate
	key    *ecdsa.PrivateKey
	pool   *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key = a.newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.leaf, _ = x509.ParseCertificate(der)
	a.pool = x509.NewCertPool()
	a.pool.AddCert(a.leaf)
	a.write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

// write replaces a file in one step, as a renewal does.
func (a *authority) write(name string, data []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		a.t.Fatal(err)
	}
	return path
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

// sign makes NAME.pem and NAME.key for a host or address, or a SPIFFE ID.
func (a *authority) sign(name, subject string, change ...func(*x509.Certificate)) (cert, key string) {
	a.t.Helper()
	a.serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial + 1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if u, err := url.Parse(subject); err == nil && u.Scheme == "spiffe" {
		template.URIs = []*url.URL{u}
	} else if ip := net.ParseIP(subject); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{subject}
	}
	for _, f := range change {
		f(template)
	}
	own := a.newKey()
	der, err := x509.CreateCertificate(rand.Reader, template, a.leaf, &own.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, _ := x509.MarshalPKCS8PrivateKey(own)
	cert = a.write(name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	key = a.write(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	return cert, key
}

// pair is a signed certificate for a client or a server of the test.
func (a *authority) pair(name, subject string) tls.Certificate {
	a.t.Helper()
	pair, err := tls.LoadX509KeyPair(a.sign(name, subject))
	if err != nil {
		a.t.Fatal(err)
	}
	return pair
}

// notes observes a gateway and remembers requests and events.
type notes struct {
	mu      sync.Mutex
	records []Record
	events  []Event
}

func (n *notes) Route(string, string) RequestObserver { return n }
func (n *notes) Endpoint(string, string) TryObserver  { return nothing{} }
func (n *notes) Try(policy.Class, time.Duration)      {}
func (n *notes) Request(r *Record) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.records = append(n.records, *r)
}
func (n *notes) Event(e Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, e)
}

// last is the latest record, once there are at least so many.
func (n *notes) last(t *testing.T, least int) (r Record) {
	t.Helper()
	eventually(t, "a request was noted", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		if len(n.records) < least {
			return false
		}
		r = n.records[len(n.records)-1]
		return true
	})
	return r
}

// all are the records, once there are at least so many.
func (n *notes) all(t *testing.T, least int) []Record {
	t.Helper()
	n.last(t, least)
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.records)
}

// why lists what was said of events of a kind.
func (n *notes) why(kind EventKind) (all []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.events {
		if e.Kind == kind {
			all = append(all, e.Why)
		}
	}
	return all
}
