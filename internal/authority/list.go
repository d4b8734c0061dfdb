package authority

import (
	"cmp"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/keyfile"
)

// Certificate is one of an authority's, for people and for their programs.
type Certificate struct {
	Name string `json:"name"`
	// Kind is root, issuing or service.
	Kind      string    `json:"kind"`
	File      string    `json:"file"`
	SPIFFE    string    `json:"spiffe"`
	DNS       []string  `json:"dns,omitempty"`
	IP        []string  `json:"ip,omitempty"`
	Serial    string    `json:"serial"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	// RenewAt is when it is renewed, if something does.
	RenewAt time.Time `json:"renewAt"`
	// State is valid, expiring or expired.
	State string `json:"state"`
}

// Describe tells of the certificate in a file of the authority. One that has
// less than within left is expiring; where within is zero, one that has less
// than a sixth of its life left, so that its renewal has failed for a while.
func Describe(file string, within time.Duration) (Certificate, error) {
	c, err := keyfile.ReadCertificate(file)
	if err != nil {
		return Certificate{}, err
	}
	name := strings.TrimSuffix(filepath.Base(file), ".pem")
	d := Certificate{
		Name: name, Kind: "service", File: file, DNS: c.DNSNames, Serial: c.SerialNumber.Text(16),
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, RenewAt: dueAt(c), State: state(c, within),
	}
	if reserved[name] {
		d.Kind = name
	}
	for _, u := range c.URIs {
		d.SPIFFE = u.String()
	}
	for _, ip := range c.IPAddresses {
		d.IP = append(d.IP, ip.String())
	}
	return d, nil
}

func state(c *x509.Certificate, within time.Duration) string {
	within = cmp.Or(within, c.NotAfter.Sub(c.NotBefore)/6)
	switch left := time.Until(c.NotAfter); {
	case left <= 0:
		return "expired"
	case left < within:
		return "expiring"
	}
	return "valid"
}

// List tells of all certificates of the authority in a folder: root, issuing,
// and the services' by name.
func List(dir string, within time.Duration) ([]Certificate, error) {
	if _, err := Open(dir); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []Certificate
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".pem" || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		d, err := Describe(filepath.Join(dir, e.Name()), within)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	order := []string{"root", "issuing", "service"}
	slices.SortStableFunc(all, func(x, y Certificate) int {
		return cmp.Compare(slices.Index(order, x.Kind), slices.Index(order, y.Kind))
	})
	return all, nil
}
