package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/afloat-dev/afloat/internal/keyfile"
)

// Bounds of a certificate's life.
const (
	// TTLDefault is how long a certificate is valid unless something is said.
	TTLDefault = 24 * time.Hour
	ttlMin     = 5 * time.Second
	ttlMax     = 90 * 24 * time.Hour
	// namesMax bounds the names in one certificate.
	namesMax = 100
)

// Request is a certificate to be issued.
type Request struct {
	// Name of the service, and of its file.
	Name string
	// DNS are the host names that it serves. Default: Name below the trust
	// domain, where IP is empty too.
	DNS []string
	// IP are the addresses that it serves.
	IP []net.IP
	// SPIFFE is its identity. Default: Name in the trust domain.
	SPIFFE string
	// TTL is how long the certificate is valid: from 5s to 90 days. Default 24h.
	TTL time.Duration
}

var (
	nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	reserved = map[string]bool{"root": true, "issuing": true}
)

func validDNS(name string) bool {
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if !nameForm.MatchString(label) {
			return false
		}
	}
	return true
}

func trustDomainURI(domain string) []*url.URL { return []*url.URL{{Scheme: "spiffe", Host: domain}} }

// complete fills in the defaults and returns what is wrong.
func (a *Authority) complete(r Request) (Request, error) {
	domain := a.TrustDomain()
	if !nameForm.MatchString(r.Name) || reserved[r.Name] {
		return r, fmt.Errorf("name %q: want letters, digits and dashes, at most 63, and neither root nor issuing", r.Name)
	}
	if len(r.DNS) == 0 && len(r.IP) == 0 {
		r.DNS = []string{r.Name + "." + domain}
	}
	if r.SPIFFE == "" {
		r.SPIFFE = "spiffe://" + domain + "/" + r.Name
	}
	if r.TTL == 0 {
		r.TTL = TTLDefault
	}
	id, err := spiffeid.FromString(r.SPIFFE)
	switch {
	case err != nil || id.Path() == "":
		return r, fmt.Errorf("SPIFFE ID %q: want one such as spiffe://%s/%s", r.SPIFFE, domain, r.Name)
	case id.TrustDomain().Name() != domain:
		return r, fmt.Errorf("SPIFFE ID %s: this authority is that of the trust domain %s", r.SPIFFE, domain)
	case r.TTL < ttlMin || r.TTL > ttlMax:
		return r, fmt.Errorf("ttl %v: want from %v to %v", r.TTL, ttlMin, ttlMax)
	case len(r.DNS)+len(r.IP) > namesMax:
		return r, fmt.Errorf("want at most %d names and addresses, got %d", namesMax, len(r.DNS)+len(r.IP))
	}
	for _, name := range r.DNS {
		if !validDNS(strings.TrimPrefix(name, "*.")) {
			return r, fmt.Errorf("host name %q: want one such as %s.%s", name, r.Name, domain)
		}
	}
	return r, nil
}

// Issue makes a key and a certificate and writes them into NAME.pem, which must
// not exist. It returns the file's name.
func (a *Authority) Issue(r Request) (string, error) {
	r, err := a.complete(r)
	if err != nil {
		return "", err
	}
	file := filepath.Join(a.dir, r.Name+".pem")
	if _, err := os.Lstat(file); err == nil {
		return "", fmt.Errorf("%s exists: renew it, or remove it to issue another", file)
	}
	return file, a.write(file, r)
}

// write issues a certificate and puts it in the file's place in one step.
func (a *Authority) write(file string, r Request) error {
	if err := a.freshIssuing(); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	start := time.Now().Add(-min(skew, r.TTL/10))
	id := spiffeid.RequireFromString(r.SPIFFE) // complete has looked at it
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: r.Name},
		NotBefore: start, NotAfter: earlier(start.Add(r.TTL), a.issuing.NotAfter),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    r.DNS, IPAddresses: r.IP, URIs: []*url.URL{id.URL()},
	}
	leaf, err := sign(template, a.issuing, &key.PublicKey, a.key)
	if err != nil {
		return err
	}
	if err := a.verify(leaf); err != nil {
		return err
	}
	return keyfile.WritePair(file, key, leaf, a.issuing)
}

// verify holds a certificate against what the authority was made for, as its
// peers will.
func (a *Authority) verify(leaf *x509.Certificate) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(a.root)
	between.AddCert(a.issuing)
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return fmt.Errorf("no peer would take the certificate: %w; make an authority that allows the name", err)
	}
	return nil
}

// freshIssuing renews the issuing key when two thirds of its life are over. While
// the root's key is kept elsewhere the old one serves to its end.
func (a *Authority) freshIssuing() error {
	if !due(a.issuing) {
		return nil
	}
	if err := a.renewIssuing(); err != nil && time.Now().After(a.issuing.NotAfter) {
		return fmt.Errorf("the issuing certificate has expired: %w", err)
	}
	return nil
}

// Renew gives the certificate in a file a successor of the same names and the
// same life, with a key of its own.
func (a *Authority) Renew(file string) error {
	chain, err := keyfile.ReadCertificates(file)
	if err != nil {
		return err
	}
	if !a.issued(chain) {
		return fmt.Errorf("%s was not issued by the authority in %s", file, a.dir)
	}
	old := chain[0]
	life := old.NotAfter.Sub(old.NotBefore)
	if old.NotAfter.Equal(chain[1].NotAfter) {
		life = TTLDefault // it was cut short by the end of what issued it
	}
	return a.write(file, Request{
		Name: old.Subject.CommonName, DNS: old.DNSNames, IP: old.IPAddresses, SPIFFE: old.URIs[0].String(), TTL: life,
	})
}

// issued reports whether a chain is of this authority, be it expired: whoever
// can only write a file must not get a certificate of other names by it.
func (a *Authority) issued(chain []*x509.Certificate) bool {
	return len(chain) == 2 && len(chain[0].URIs) == 1 &&
		chain[0].CheckSignatureFrom(chain[1]) == nil && chain[1].CheckSignatureFrom(a.root) == nil
}

// RenewDue renews the certificate in a file if two thirds of its life are over,
// and reports whether it did. The Certificate is the one that is in the file then.
func RenewDue(dir, file string) (renewed bool, now Certificate, err error) {
	now, err = Describe(file, 0)
	if err != nil || time.Now().Before(now.RenewAt) {
		return false, now, err
	}
	a, err := Open(dir)
	if err == nil {
		err = a.Renew(file)
	}
	if err != nil {
		return false, now, err
	}
	now, err = Describe(file, 0)
	return err == nil, now, err
}

// due reports whether two thirds of a certificate's life are over.
func due(c *x509.Certificate) bool { return time.Now().After(dueAt(c)) }

func dueAt(c *x509.Certificate) time.Time {
	return c.NotAfter.Add(-c.NotAfter.Sub(c.NotBefore) / 3)
}
