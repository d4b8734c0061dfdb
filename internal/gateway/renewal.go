package gateway

import (
	"maps"
	"slices"
	"strconv"
)

// Renewal is a certificate of a Config that a local authority renews.
type Renewal struct {
	// File holds the certificate and its key.
	File string
	// From is the folder of the authority.
	From string
	// Path leads to where that is said.
	Path []string
}

// Renewals lists the certificates that are to be renewed while the gateway runs.
// Whoever runs it renews them; the gateway takes what is in the files.
func (c *Config) Renewals() (all []Renewal) {
	note := func(file, from string, path ...string) {
		if from != "" {
			all = append(all, Renewal{file, from, append(path, "renewFrom")})
		}
	}
	for i, l := range c.Listeners {
		if l.TLS == nil {
			continue
		}
		note(l.TLS.Cert, l.TLS.RenewFrom, "listeners", strconv.Itoa(i), "tls")
		for j, one := range l.TLS.Certificates {
			note(one.Cert, one.RenewFrom, "listeners", strconv.Itoa(i), "tls", "certificates", strconv.Itoa(j))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		if t := c.Services[name].TLS; t != nil {
			note(t.Cert, t.RenewFrom, "services", name, "tls")
		}
	}
	return all
}

// renewal checks that a certificate is one that can be replaced in one step.
func (v *validator) renewal(c CertificateConfig, path ...string) {
	at := append(slices.Clone(path), "renewFrom")
	switch {
	case c.RenewFrom == "":
	case c.Cert == "":
		v.add("renews which certificate? Name its file under cert", nil, at...)
	case c.Key != "" && c.Key != c.Cert:
		v.add("renews a certificate and its key in one file, that of cert: leave key out", nil, at...)
	}
}
