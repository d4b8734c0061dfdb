package gateway

import (
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestACMEIsCheckedByField(t *testing.T) {
	for _, c := range []struct {
		config      ACMEConfig
		field, want string
	}{
		{ACMEConfig{Folder: "a"}, "hosts", "name the hosts"},
		{ACMEConfig{Folder: "a", Hosts: []string{"*.shop.example"}}, "hosts.0", "name each host"},
		{ACMEConfig{Folder: "a", Hosts: []string{"shop.example", "192.0.2.1"}}, "hosts.1", "is an address"},
		{ACMEConfig{Folder: "a", Hosts: []string{"::1"}}, "hosts.0", "is an address"},
		{ACMEConfig{Folder: "a", Hosts: []string{"Shop.example"}}, "hosts.0", "in small letters"},
		{ACMEConfig{Folder: "a", Hosts: []string{"../shop"}}, "hosts.0", "in small letters"},
		{ACMEConfig{Folder: "a", Hosts: []string{"shop.example", "shop.example"}}, "hosts.1", "named twice"},
		{ACMEConfig{Hosts: []string{"shop.example"}}, "folder", "name the folder"},
		{ACMEConfig{Folder: "a", Hosts: []string{"shop.example"}, Directory: "http://ca.example/dir"}, "directory", "want a URL"},
		{ACMEConfig{Folder: "a", Hosts: []string{"shop.example"}, Directory: "https://me:secret@ca.example/dir"}, "directory", "want a URL"},
		{ACMEConfig{Folder: "a", Hosts: []string{"shop.example"}, Email: "ops"}, "email", "want an address"},
		{ACMEConfig{Folder: "a", Hosts: []string{"shop.example"}, Challenge: "dns-01"}, "challenge", "want tls-alpn-01 or http-01"},
	} {
		err := secured(&TLSConfig{ACME: &c.config}, ServiceConfig{Endpoints: Addresses("127.0.0.1:1")}).Validate()
		problem, ok := errors.AsType[*ConfigError](err)
		if !ok || strings.Join(problem.Path, ".") != "listeners.0.tls.acme."+c.field || !strings.Contains(problem.Problem, c.want) {
			t.Errorf("%+v: got %v", c.config, err)
		}
	}
	good := secured(&TLSConfig{ACME: &ACMEConfig{Folder: "a", Hosts: []string{"shop.example"}, Email: "ops@shop.example"}},
		ServiceConfig{Endpoints: Addresses("127.0.0.1:1")})
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

func TestAuthorityOfTheDirectoryIsReadAtTheStart(t *testing.T) {
	acme := &ACMEConfig{Folder: t.TempDir(), Hosts: []string{"shop.example"}, CA: filepath.Join(t.TempDir(), "none.pem")}
	err := secured(&TLSConfig{ACME: acme}, ServiceConfig{Endpoints: Addresses("127.0.0.1:1")}).CheckFiles()
	if problem, ok := errors.AsType[*ConfigError](err); !ok || strings.Join(problem.Path, ".") != "listeners.0.tls.acme.ca" {
		t.Errorf("got %v", err)
	}
}

// TestCertificatesOfTwoAuthoritiesAreApart: what one that tests has issued is not
// to be shown once the real one is named.
func TestCertificatesOfTwoAuthoritiesAreApart(t *testing.T) {
	file := func(directory string) string {
		return ACMEConfig{Folder: "acme", Hosts: []string{"shop.example"}, Directory: directory}.issuances()[0].File
	}
	if got, want := file(""), filepath.Join("acme", "acme-v02.api.letsencrypt.org-directory", "shop.example.pem"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if file("") == file("https://acme-staging-v02.api.letsencrypt.org/directory") {
		t.Error("they are the same")
	}
	if got := file("https://ca.example:1/../../dir"); got != filepath.Join("acme", "ca.example-1-..-..-dir", "shop.example.pem") {
		t.Errorf("got %s", got)
	}
}

// TestGatewayServesBeforeItsCertificateIsIssued: with none yet, and with one whose
// file is broken, handshakes fail and all else works; an issued one is taken.
func TestGatewayServesBeforeItsCertificateIsIssued(t *testing.T) {
	a := newAuthority(t)
	acme := &ACMEConfig{Folder: a.dir, Hosts: []string{"shop.example"}, Directory: "https://ca.example/dir"}
	file := acme.issuances()[0].File
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("half of it"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, n, address := startTLS(t, secured(&TLSConfig{ACME: acme}, ServiceConfig{Endpoints: Addresses(echo(t))}))
	if conn, err := tls.Dial("tcp", address, &tls.Config{ServerName: "shop.example", InsecureSkipVerify: true}); err == nil {
		conn.Close()
		t.Error("a certificate was shown")
	}
	cert, key := a.sign("shop", "shop.example")
	var both []byte
	for _, name := range []string{cert, key} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, data...)
	}
	if err := os.Rename(a.write("both.pem", both), file); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is shown", func() bool {
		conn, err := tls.Dial("tcp", address, &tls.Config{ServerName: "shop.example", RootCAs: a.pool})
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	if why := n.why(EventKeysRefused); len(why) > 0 {
		t.Errorf("told %q", why)
	}
}
