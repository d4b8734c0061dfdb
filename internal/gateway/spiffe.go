package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// SPIFFEPattern is one SPIFFE ID, or all below a path where it ends with /*:
// spiffe://shop.internal/* are all of a trust domain.
type SPIFFEPattern string

// UnmarshalText takes any text; whether it is a pattern is checked with the rest.
func (p *SPIFFEPattern) UnmarshalText(text []byte) error {
	*p = SPIFFEPattern(text)
	return nil
}

// parse returns the ID that must be had, or the one that all must be below.
func (p SPIFFEPattern) parse() (id spiffeid.ID, below bool, err error) {
	text, below := strings.CutSuffix(string(p), "/*")
	id, err = spiffeid.FromString(text)
	if err == nil && id.Path() == "" && !below {
		err = errors.New("the path is missing")
	}
	return id, below, err
}

// matches reports whether an ID is one of the pattern, which has been validated.
func (p SPIFFEPattern) matches(id spiffeid.ID) bool {
	want, below, err := p.parse()
	switch {
	case err != nil:
		return false
	case below:
		return id.TrustDomain() == want.TrustDomain() && strings.HasPrefix(id.Path(), want.Path()+"/")
	}
	return id == want
}

// identitiesMax bounds the patterns of one place.
const identitiesMax = 1000

// spiffe checks patterns. They are of one trust domain: the file of certificates
// beside them vouches for one, and for another's IDs it must not.
func (v *validator) spiffe(all []SPIFFEPattern, path ...string) {
	if len(all) > identitiesMax {
		v.add("want at most %d, got %d", []any{identitiesMax, len(all)}, path...)
	}
	var first spiffeid.TrustDomain
	for i, p := range all {
		at := append(slices.Clone(path), strconv.Itoa(i))
		id, _, err := p.parse()
		switch {
		case err != nil:
			v.add("want a SPIFFE ID such as spiffe://shop.internal/web, or spiffe://shop.internal/* for all of a trust domain, got %q", []any{p}, at...)
		case first.IsZero():
			first = id.TrustDomain()
		case id.TrustDomain() != first:
			v.add("is of the trust domain %s and another of %s: the certificates beside them vouch for one", []any{id.TrustDomain(), first}, at...)
		}
	}
}

// admit returns a check that lets those in whose certificate, verified already,
// has one of the SPIFFE IDs.
func admit(all []SPIFFEPattern) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return nil // where that is not allowed, the handshake has failed
		}
		leaf := state.PeerCertificates[0]
		id, err := x509svid.IDFromCert(leaf)
		if err != nil {
			return err
		}
		if leaf.IsCA || leaf.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0 {
			return errors.New("an authority's certificate is no service's")
		}
		return among(id, all)
	}
}

// trust returns a check of a peer's whole chain by a bundle, and of its SPIFFE
// ID in place of a host's name.
func trust(bundle *x509bundle.Bundle, all []SPIFFEPattern) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		id, _, err := x509svid.Verify(state.PeerCertificates, bundle)
		if err != nil {
			return err
		}
		return among(id, all)
	}
}

func among(id spiffeid.ID, all []SPIFFEPattern) error {
	if slices.ContainsFunc(all, func(p SPIFFEPattern) bool { return p.matches(id) }) {
		return nil
	}
	return fmt.Errorf("the peer is %s, which is none of those that are allowed", id)
}

// bundle reads the certificates that vouch for the patterns' trust domain.
func (k *keyFiles) bundle(name string, all []SPIFFEPattern, path ...string) *x509bundle.Bundle {
	id, _, err := all[0].parse()
	if err != nil {
		return nil // Validate tells of it
	}
	data, ok := k.read(name, path...)
	if !ok {
		return nil
	}
	bundle, err := x509bundle.Parse(id.TrustDomain(), data)
	if err != nil || bundle.Empty() {
		k.add("%s holds no certificate in PEM", []any{name}, path...)
		return nil
	}
	return bundle
}
