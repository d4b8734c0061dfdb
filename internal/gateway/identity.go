package gateway

import (
	"crypto/tls"
	"crypto/x509"
)

// identity is who a client or endpoint is by its certificate, which has been
// verified: its SPIFFE ID where it has one, else its first DNS name, else its
// common name. Without a certificate it is empty.
func identity(state *tls.ConnectionState) string {
	if len(state.VerifiedChains) == 0 {
		return ""
	}
	return certificateName(state.VerifiedChains[0][0])
}

func certificateName(c *x509.Certificate) string {
	for _, u := range c.URIs {
		if u.Scheme == "spiffe" {
			return u.String()
		}
	}
	if len(c.DNSNames) > 0 {
		return c.DNSNames[0]
	}
	return c.Subject.CommonName
}
