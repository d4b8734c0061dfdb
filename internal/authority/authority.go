// Package authority is a certificate authority for one machine or a few: a
// folder with a root, a key that issues in its name, and short-lived
// certificates for services, each with a SPIFFE ID.
//
//	root.pem, root.key         signs the issuing certificate and nothing else
//	issuing.pem, issuing.key   signs services' certificates
//	NAME.pem                   a service's certificate, what leads to the root, and its key
//
// The root is bound by name constraints (RFC 5280, section 4.2.1.10) to the
// names that it was made for, so that whoever steals a key can be nobody else.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/afloat-dev/afloat/internal/keyfile"
)

const (
	rootLife    = 10 * 365 * 24 * time.Hour
	issuingLife = 365 * 24 * time.Hour
	// skew is how far a clock that checks a certificate may be behind.
	skew = time.Minute
)

// Config is what an authority is made for.
type Config struct {
	// TrustDomain is the part of SPIFFE IDs before the path. Names below it are
	// allowed in certificates. Default afloat.internal.
	TrustDomain string
	// DNS are further names that may be certified, each with all below it.
	// Localhost always may.
	DNS []string
	// IP are further networks whose addresses may be certified. Those of
	// loopback and private networks always may.
	IP []*net.IPNet
}

// WithDefaults returns the Config with its defaults written out.
func (c Config) WithDefaults() Config {
	if c.TrustDomain == "" {
		c.TrustDomain = "afloat.internal"
	}
	return c
}

// Validate returns what is wrong with the Config.
func (c Config) Validate() error {
	c = c.WithDefaults()
	if _, err := spiffeid.TrustDomainFromString(c.TrustDomain); err != nil || !validDNS(c.TrustDomain) {
		return fmt.Errorf("trust domain %q: want a name such as shop.internal", c.TrustDomain)
	}
	for _, name := range c.DNS {
		if !validDNS(name) {
			return fmt.Errorf("allowed name %q: want one such as shop.example, which allows all names below it", name)
		}
	}
	return nil
}

// privateNetworks are those whose addresses mean nothing on the internet.
var privateNetworks = []string{"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"}

// constrain binds a certificate of an authority to what it is for.
func (c Config) constrain(template *x509.Certificate) {
	template.PermittedDNSDomainsCritical = true // it makes all constraints critical
	template.PermittedDNSDomains = append([]string{c.TrustDomain, "localhost"}, c.DNS...)
	template.PermittedURIDomains = []string{c.TrustDomain}
	template.PermittedIPRanges = append([]*net.IPNet(nil), c.IP...)
	for _, network := range privateNetworks {
		_, n, _ := net.ParseCIDR(network)
		template.PermittedIPRanges = append(template.PermittedIPRanges, n)
	}
}

// ErrExists is why a folder that holds something is not made an authority.
var ErrExists = errors.New("the folder is not empty")

// Init makes a new authority in a folder, which must not exist or be empty. It
// stands there whole or not at all.
func Init(dir string, c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c = c.WithDefaults()
	dir = filepath.Clean(dir)
	if there, err := os.ReadDir(dir); err == nil && len(there) > 0 {
		return fmt.Errorf("%s: %w: an authority is never written over", dir, ErrExists)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	made, err := os.MkdirTemp(filepath.Dir(dir), ".authority-") // of mode 0700
	if err != nil {
		return err
	}
	defer os.RemoveAll(made) // it is gone from there where all went well
	if err := create(made, c); err != nil {
		return err
	}
	return os.Rename(made, dir)
}

func create(dir string, c Config) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	start := time.Now().Add(-skew)
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "root of " + c.TrustDomain},
		NotBefore: start, NotAfter: start.Add(rootLife),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true, MaxPathLen: 1,
		URIs: trustDomainURI(c.TrustDomain),
	}
	c.constrain(template)
	root, err := sign(template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	if err := errors.Join(keyfile.WriteKey(dir, "root.key", key), keyfile.WriteCertificates(dir, "root.pem", root)); err != nil {
		return err
	}
	a := &Authority{dir: dir, root: root}
	return a.renewIssuing()
}

// Authority issues certificates.
type Authority struct {
	dir     string
	root    *x509.Certificate
	issuing *x509.Certificate
	key     *ecdsa.PrivateKey // of issuing
}

// Open reads an authority. Keys that others may read are refused.
func Open(dir string) (*Authority, error) {
	a := &Authority{dir: filepath.Clean(dir)}
	var err error
	if a.root, err = keyfile.ReadCertificate(filepath.Join(dir, "root.pem")); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no authority: make one with afloat ca init", a.dir)
	} else if err != nil {
		return nil, err
	}
	if a.issuing, err = keyfile.ReadCertificate(filepath.Join(dir, "issuing.pem")); err != nil {
		return nil, err
	}
	if a.key, err = keyfile.ReadKey(filepath.Join(dir, "issuing.key")); err != nil {
		return nil, err
	}
	if !a.key.PublicKey.Equal(a.issuing.PublicKey) {
		if a.key, a.issuing = nil, nil; a.renewIssuing() != nil { // a renewal was broken off between its two files
			return nil, fmt.Errorf("%s is not the key of issuing.pem", filepath.Join(a.dir, "issuing.key"))
		}
	}
	return a, nil
}

// TrustDomain is that of every SPIFFE ID which the authority certifies.
func (a *Authority) TrustDomain() string { return a.root.URIs[0].Host }

// Root is the certificate that others check the authority's by.
func (a *Authority) Root() *x509.Certificate { return a.root }

// renewIssuing makes a key that issues, signed by the root, whose key must be
// there. Certificates of the one before stay good.
func (a *Authority) renewIssuing() error {
	rootKey, err := keyfile.ReadKey(filepath.Join(a.dir, "root.key"))
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	start := time.Now().Add(-skew)
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "issuing of " + a.TrustDomain()},
		NotBefore: start, NotAfter: earlier(start.Add(issuingLife), a.root.NotAfter),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: a.root.PermittedDNSDomains,
		PermittedURIDomains: a.root.PermittedURIDomains, PermittedIPRanges: a.root.PermittedIPRanges,
		URIs: trustDomainURI(a.TrustDomain()),
	}
	issuing, err := sign(template, a.root, &key.PublicKey, rootKey)
	if err != nil {
		return err
	}
	if err := errors.Join(keyfile.WriteKey(a.dir, "issuing.key", key), keyfile.WriteCertificates(a.dir, "issuing.pem", issuing)); err != nil {
		return err
	}
	a.issuing, a.key = issuing, key
	return nil
}

// sign makes a certificate. Its serial number is of 159 random bits, which
// crypto/x509 draws.
func sign(template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
