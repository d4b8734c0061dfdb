package gateway

import (
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ACMEConfig has certificates issued by an authority that speaks ACME (RFC
// 8555), such as Let's Encrypt. Writing it means agreeing to the authority's
// terms of service.
type ACMEConfig struct {
	// Hosts are the names that each get a certificate. No other name gets one.
	Hosts []string `yaml:"hosts"`
	// Folder keeps the certificates, with their keys, and the key of the account
	// with the authority. It must outlast Afloat: authorities limit how many
	// certificates they issue in a week.
	Folder string `yaml:"folder"`
	// Directory is the URL that the authority is found at. Default
	// https://acme-v02.api.letsencrypt.org/directory.
	Directory string `yaml:"directory"`
	// Email is where the authority may write to. Default: nowhere.
	Email string `yaml:"email"`
	// ExternalAccount binds the account to one that the authority has given out
	// by other means. Default: it asks for none.
	ExternalAccount *ExternalAccountConfig `yaml:"externalAccount"`
	// Challenge is how the authority makes sure of a host: tls-alpn-01, on port
	// 443, or http-01, on port 80. Default: each in turn until one does it.
	Challenge ACMEChallenge `yaml:"challenge"`
	// CA is a file with the certificates, in PEM, one of which must have signed
	// that of the directory. Default: those that this machine trusts.
	CA string `yaml:"ca"`
}

// ExternalAccountConfig is an account with an authority of ACME (RFC 8555,
// section 7.3.4).
type ExternalAccountConfig struct {
	// ID is what the authority calls it, its key identifier.
	ID string `yaml:"id"`
	// KeyFile is a file with its key, in base64url, as the authority gave it.
	KeyFile string `yaml:"keyFile"`
}

// LetsEncrypt is the directory of certificates that every browser trusts.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// WithDefaults returns the ACMEConfig with its defaults written out.
func (c ACMEConfig) WithDefaults() ACMEConfig {
	if c.Directory == "" {
		c.Directory = LetsEncrypt
	}
	return c
}

// ACMEChallenge is a way to make sure of a host.
type ACMEChallenge string

const (
	// ACMEChallengeTLS asks in a handshake (RFC 8737).
	ACMEChallengeTLS ACMEChallenge = "tls-alpn-01"
	// ACMEChallengeHTTP asks by a request (RFC 8555, section 8.3).
	ACMEChallengeHTTP ACMEChallenge = "http-01"
)

// Enum lists what a configuration file may say.
func (ACMEChallenge) Enum() []string { return []string{"tls-alpn-01", "http-01"} }

// Issuance is a certificate that an authority is to issue and renew while the
// gateway runs. Whoever runs it sees to that; the gateway takes what is in the
// file.
type Issuance struct {
	Host string
	// File gets the certificate and its key, Account the key of the account.
	File, Account    string
	Directory, Email string
	External         ExternalAccountConfig // its zero value: none
	Challenge        ACMEChallenge         // empty: any
	CA               string                // empty: what this machine trusts
}

// Issuances lists the certificates that authorities are to issue.
func (c *Config) Issuances() (all []Issuance) {
	for _, l := range c.Listeners {
		if l.TLS != nil && l.TLS.ACME != nil {
			all = append(all, l.TLS.ACME.issuances()...)
		}
	}
	return all
}

func (c ACMEConfig) issuances() (all []Issuance) {
	c = c.WithDefaults()
	dir := filepath.Join(c.Folder, directoryName(c.Directory))
	var external ExternalAccountConfig
	if c.ExternalAccount != nil {
		external = *c.ExternalAccount
	}
	for _, host := range c.Hosts {
		all = append(all, Issuance{
			Host: host, File: filepath.Join(dir, host+".pem"), Account: filepath.Join(dir, "account.key"),
			Directory: c.Directory, Email: c.Email, External: external, Challenge: c.Challenge, CA: c.CA,
		})
	}
	return all
}

var notInName = regexp.MustCompile(`[^a-z0-9.]+`)

// directoryName is a folder's name for a directory, so that certificates of one
// that tests are not taken for those of the real one.
func directoryName(directory string) string {
	_, rest, _ := strings.Cut(strings.ToLower(directory), "://")
	return strings.Trim(notInName.ReplaceAllString(rest, "-"), "-.")
}

func (v *validator) acme(c *ACMEConfig, path ...string) {
	at := func(more ...string) []string { return append(slices.Clone(path), more...) }
	if len(c.Hosts) == 0 {
		v.add("name the hosts that get a certificate", nil, at("hosts")...)
	}
	if len(c.Hosts) > certificatesMax {
		v.add("want at most %d hosts, got %d", []any{certificatesMax, len(c.Hosts)}, at("hosts")...)
	}
	for i, host := range c.Hosts {
		if problem := acmeHostProblem(host, c.Hosts[:i]); problem != "" {
			v.add(problem, []any{host}, at("hosts", strconv.Itoa(i))...)
		}
	}
	if c.Folder == "" {
		v.add("name the folder that keeps the certificates and their keys, such as /var/lib/afloat/acme", nil, at("folder")...)
	}
	if u, err := url.Parse(c.Directory); c.Directory != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil) {
		v.add("want a URL such as %s, got %q", []any{LetsEncrypt, c.Directory}, at("directory")...)
	}
	if c.Email != "" && (!strings.Contains(c.Email, "@") || strings.ContainsAny(c.Email, " ,?:")) {
		v.add("want an address such as ops@shop.example, got %q", []any{c.Email}, at("email")...)
	}
	if e := c.ExternalAccount; e != nil {
		if e.ID == "" {
			v.add("write the key identifier that the authority has given", nil, at("externalAccount", "id")...)
		}
		if e.KeyFile == "" {
			v.add("name the file with the account's key", nil, at("externalAccount", "keyFile")...)
		}
	}
	if c.Challenge != "" && !slices.Contains(c.Challenge.Enum(), string(c.Challenge)) {
		v.add("want tls-alpn-01 or http-01, got %q", []any{c.Challenge}, at("challenge")...)
	}
}

// acmeHostProblem says, as a format for the host, why it gets no certificate.
func acmeHostProblem(host string, before []string) string {
	_, addressErr := netip.ParseAddr(host)
	switch {
	case strings.HasPrefix(host, "*"):
		return "%s needs a change in the DNS, which Afloat does not make: name each host, or let another ACME client write the file"
	case addressErr == nil:
		return "%s is an address: want a host name"
	case !validHost(host), strings.ToLower(host) != host, strings.HasSuffix(host, "."):
		return "want a host name in small letters such as shop.example, got %q"
	case slices.Contains(before, host):
		return "%s is named twice"
	}
	return ""
}
