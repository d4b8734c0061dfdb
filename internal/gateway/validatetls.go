package gateway

import (
	"slices"
	"strconv"
)

// certificatesMax bounds a listener's certificates: each handshake looks through
// them.
const certificatesMax = 1000

func (v *validator) tls(c *TLSConfig, path ...string) {
	at := func(more ...string) []string { return append(slices.Clone(path), more...) }
	if c.Cert == "" && len(c.Certificates) == 0 && c.ACME == nil {
		v.add("TLS needs a certificate: name its file, in PEM, and that of its key under key", nil, at("cert")...)
	}
	v.pair(CertificateConfig{c.Cert, c.Key, c.RenewFrom}, path...)
	if len(c.Certificates) > certificatesMax {
		v.add("want at most %d certificates, got %d", []any{certificatesMax, len(c.Certificates)}, at("certificates")...)
	}
	for i, one := range c.Certificates {
		if one.Cert == "" {
			v.add("name the certificate's file, in PEM", nil, at("certificates", strconv.Itoa(i), "cert")...)
		}
		v.renewal(one, at("certificates", strconv.Itoa(i))...)
	}
	if c.ACME != nil {
		v.acme(c.ACME, at("acme")...)
	}
	v.tlsVersion(c.MinVersion, at("minVersion")...)
	switch {
	case c.ClientAuth != "" && !slices.Contains(ClientAuth("").Enum(), string(c.ClientAuth)):
		v.add("want require or optional, got %q", []any{c.ClientAuth}, at("clientAuth")...)
	case c.ClientAuth != "" && c.ClientCA == "":
		v.add("says nothing without clientCA, the file of the certificates that clients are checked by", nil, at("clientAuth")...)
	}
	if len(c.ClientIDs) > 0 && c.ClientCA == "" {
		v.add("says nothing without clientCA, the file of the certificates that clients are checked by", nil, at("clientIDs")...)
	}
	v.spiffe(c.ClientIDs, at("clientIDs")...)
}

func (v *validator) upstreamTLS(c *UpstreamTLSConfig, path ...string) {
	at := func(field string) []string { return append(slices.Clone(path), field) }
	if c.ServerName != "" && !validHost(c.ServerName) {
		v.add("want a host name such as shop.example.com, got %q", []any{c.ServerName}, at("serverName")...)
	}
	v.pair(CertificateConfig{c.Cert, c.Key, c.RenewFrom}, path...)
	v.serverIDs(c, at("serverIDs")...)
	v.tlsVersion(c.MinVersion, at("minVersion")...)
	if c.InsecureSkipVerify && c.CA != "" {
		v.add("says nothing with insecureSkipVerify, which takes any certificate: remove one of them", nil, at("ca")...)
	}
}

func (v *validator) serverIDs(c *UpstreamTLSConfig, path ...string) {
	switch {
	case len(c.ServerIDs) == 0:
	case c.InsecureSkipVerify:
		v.add("says nothing with insecureSkipVerify, which takes any certificate: remove one of them", nil, path...)
	case c.CA == "":
		v.add("needs ca, the file of the certificates that vouch for the trust domain: those that this machine trusts vouch for none", nil, path...)
	}
	v.spiffe(c.ServerIDs, path...)
}

func (v *validator) pair(c CertificateConfig, path ...string) {
	if c.Key != "" && c.Cert == "" {
		v.add("is the key of which certificate? Name its file under cert", nil, append(slices.Clone(path), "key")...)
	}
	v.renewal(c, path...)
}

func (v *validator) tlsVersion(version TLSVersion, path ...string) {
	if version != "" && version != "1.2" && version != "1.3" {
		v.add("want 1.2 or 1.3, got %q", []any{version}, path...)
	}
}
