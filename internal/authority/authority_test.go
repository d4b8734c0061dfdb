package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/internal/keyfile"
)

func made(t *testing.T, c Config) (string, *Authority) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ca")
	if err := Init(dir, c); err != nil {
		t.Fatal(err)
	}
	a, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, a
}

func issue(t *testing.T, a *Authority, r Request) string {
	t.Helper()
	file, err := a.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func leaf(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	c, err := keyfile.ReadCertificate(file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	dir, a := made(t, Config{})
	issue(t, a, Request{Name: "web"})
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 5 {
		t.Errorf("got %v", entries)
	}
	for _, e := range entries {
		if info, _ := e.Info(); info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", e.Name(), info.Mode())
		}
	}
	if err := os.Chmod(filepath.Join(dir, "issuing.key"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that others read was taken: %v", err)
	}
}

func TestAuthorityIsNeverWrittenOver(t *testing.T) {
	dir, a := made(t, Config{})
	if err := Init(dir, Config{}); !errors.Is(err, ErrExists) {
		t.Errorf("got %v", err)
	}
	file := issue(t, a, Request{Name: "web"})
	before, _ := os.ReadFile(file)
	if _, err := a.Issue(Request{Name: "web"}); err == nil {
		t.Error("a certificate was written over")
	}
	if after, _ := os.ReadFile(file); string(after) != string(before) {
		t.Error("the file has changed")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), ".authority-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCertificatesAreMadeAsTheStandardWants(t *testing.T) {
	dir, a := made(t, Config{TrustDomain: "shop.internal"})
	file := issue(t, a, Request{Name: "web"})
	root, c := a.Root(), leaf(t, file)
	if !root.IsCA || root.MaxPathLen != 1 || root.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || !root.PermittedDNSDomainsCritical {
		t.Errorf("root: %+v", root)
	}
	if !a.issuing.IsCA || a.issuing.MaxPathLen != 0 || !a.issuing.MaxPathLenZero {
		t.Errorf("issuing: %+v", a.issuing)
	}
	if c.IsCA || c.KeyUsage != x509.KeyUsageDigitalSignature || len(c.ExtKeyUsage) != 2 || len(c.AuthorityKeyId) == 0 ||
		c.URIs[0].String() != "spiffe://shop.internal/web" || c.DNSNames[0] != "web.shop.internal" {
		t.Errorf("leaf: %+v", c)
	}
	if life := c.NotAfter.Sub(c.NotBefore); life != TTLDefault || c.NotBefore.After(time.Now()) {
		t.Errorf("valid for %v from %v", life, c.NotBefore)
	}
	other := leaf(t, issue(t, a, Request{Name: "cart"}))
	if c.SerialNumber.BitLen() < 100 || c.SerialNumber.Sign() != 1 || c.SerialNumber.Cmp(other.SerialNumber) == 0 {
		t.Errorf("serials %x and %x", c.SerialNumber, other.SerialNumber)
	}
	if _, err := tls.LoadX509KeyPair(file, file); err != nil {
		t.Error(err)
	}
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed; make test installs it")
	}
	out, err := exec.Command("openssl", "verify", "-x509_strict", "-CAfile", filepath.Join(dir, "root.pem"),
		"-untrusted", filepath.Join(dir, "issuing.pem"), file).CombinedOutput()
	if err != nil {
		t.Errorf("another implementation does not take it: %v\n%s", err, out)
	}
}

func TestNamesOutsideTheConstraintsAreRefused(t *testing.T) {
	_, a := made(t, Config{DNS: []string{"shop.example"}})
	for _, test := range []struct {
		r    Request
		want string
	}{
		{Request{Name: "web", DNS: []string{"www.google.com"}}, "is not permitted"},
		{Request{Name: "web", IP: []net.IP{net.ParseIP("8.8.8.8")}}, "is not permitted"},
		{Request{Name: "web", SPIFFE: "spiffe://other.internal/web"}, "trust domain afloat.internal"},
		{Request{Name: "web", SPIFFE: "https://afloat.internal/web"}, "SPIFFE ID"},
		{Request{Name: "web", SPIFFE: "spiffe://afloat.internal"}, "SPIFFE ID"},
		{Request{Name: "root"}, "name"},
		{Request{Name: "../web"}, "name"},
		{Request{Name: "web", DNS: []string{"a b"}}, "host name"},
		{Request{Name: "web", TTL: time.Second}, "ttl"},
		{Request{Name: "web", TTL: 365 * 24 * time.Hour}, "ttl"},
	} {
		if _, err := a.Issue(test.r); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %q", test.r, err, test.want)
		}
	}
	issue(t, a, Request{Name: "web", DNS: []string{"www.shop.example", "*.shop.example", "localhost"}, IP: []net.IP{net.ParseIP("127.0.0.1"), net.ParseIP("::1")}})
}

// TestStolenKeyIsBound: what the issuing key signs beyond the constraints, no
// peer takes.
func TestStolenKeyIsBound(t *testing.T) {
	_, a := made(t, Config{})
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	forge := func(change func(*x509.Certificate)) error {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "thief"},
			NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature}
		change(template)
		c, err := sign(template, a.issuing, &key.PublicKey, a.key)
		if err != nil {
			t.Fatal(err)
		}
		return a.verify(c)
	}
	if err := forge(func(c *x509.Certificate) { c.DNSNames = []string{"bank.example"} }); err == nil {
		t.Error("a foreign name was taken")
	}
	if err := forge(func(c *x509.Certificate) {
		c.URIs = []*url.URL{{Scheme: "spiffe", Host: "bank.example", Path: "/teller"}}
	}); err == nil {
		t.Error("a foreign trust domain was taken")
	}
	if err := forge(func(c *x509.Certificate) { c.DNSNames = []string{"web.afloat.internal"} }); err != nil {
		t.Errorf("the test forges wrongly: %v", err)
	}
}

func TestRenewalKeepsNamesAndChangesTheKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, a := made(t, Config{})
		file := issue(t, a, Request{Name: "web", IP: []net.IP{net.ParseIP("127.0.0.1")}, TTL: time.Hour})
		old := leaf(t, file)
		time.Sleep(30 * time.Minute)
		if renewed, _, err := RenewDue(dir, file); renewed || err != nil {
			t.Errorf("renewed too early: %v, %v", renewed, err)
		}
		time.Sleep(15 * time.Minute)
		renewed, now, err := RenewDue(dir, file)
		if !renewed || err != nil {
			t.Fatalf("not renewed: %v", err)
		}
		c := leaf(t, file)
		if c.URIs[0].String() != old.URIs[0].String() || !c.IPAddresses[0].Equal(old.IPAddresses[0]) || len(c.DNSNames) != 0 ||
			c.NotAfter.Sub(c.NotBefore) != time.Hour || !c.NotAfter.Equal(now.NotAfter) {
			t.Errorf("got %+v", c)
		}
		if c.PublicKey.(*ecdsa.PublicKey).Equal(old.PublicKey) {
			t.Error("the key is the old one")
		}
		time.Sleep(48 * time.Hour) // the machine was off: an expired one is renewed too
		if renewed, _, err := RenewDue(dir, file); !renewed || err != nil {
			t.Errorf("expired: %v, %v", renewed, err)
		}
	})
}

func TestIssuingKeyIsRenewedWhileTheRootsKeyIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, a := made(t, Config{})
		file := issue(t, a, Request{Name: "web"})
		time.Sleep(300 * 24 * time.Hour)
		hidden := filepath.Join(dir, "elsewhere")
		if err := os.Rename(filepath.Join(dir, "root.key"), hidden); err != nil {
			t.Fatal(err)
		}
		if renewed, _, err := RenewDue(dir, file); !renewed || err != nil {
			t.Fatalf("the old issuing key does not serve: %v", err)
		}
		if chain, _ := keyfile.ReadCertificates(file); !chain[1].Equal(a.issuing) {
			t.Error("issued by another key")
		}
		time.Sleep(100 * 24 * time.Hour)
		if _, _, err := RenewDue(dir, file); err == nil || !strings.Contains(err.Error(), "has expired") {
			t.Errorf("got %v", err)
		}
		if err := os.Rename(hidden, filepath.Join(dir, "root.key")); err != nil {
			t.Fatal(err)
		}
		if renewed, _, err := RenewDue(dir, file); !renewed || err != nil {
			t.Fatal(err)
		}
		if chain, _ := keyfile.ReadCertificates(file); chain[1].Equal(a.issuing) {
			t.Error("issued by the expired key")
		}
	})
}

func TestOnlyTheAuthoritysOwnAreRenewed(t *testing.T) {
	_, a := made(t, Config{})
	_, thief := made(t, Config{}) // of the same names
	file := issue(t, thief, Request{Name: "web"})
	if err := a.Renew(file); err == nil || !strings.Contains(err.Error(), "was not issued by") {
		t.Errorf("got %v", err)
	}
}

func TestListTellsWhatExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, a := made(t, Config{})
		issue(t, a, Request{Name: "web", TTL: time.Hour})
		look := func(within time.Duration) (states string) {
			t.Helper()
			all, err := List(dir, within)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range all {
				states += c.Name + " " + c.State + "; "
			}
			return states
		}
		for _, test := range []struct {
			later, within time.Duration
			want          string
		}{
			{0, 0, "root valid; issuing valid; web valid; "},
			{0, 2 * time.Hour, "root valid; issuing valid; web expiring; "},
			{45 * time.Minute, 0, "root valid; issuing valid; web valid; "},
			{10 * time.Minute, 0, "root valid; issuing valid; web expiring; "},
			{10 * time.Minute, 0, "root valid; issuing valid; web expired; "},
		} {
			time.Sleep(test.later)
			if got := look(test.within); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		}
	})
}
