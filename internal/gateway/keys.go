package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// keys are what a listener's or a service's TLS is made of, as the files were
// when they were read. They never change: others take their place.
type keys struct {
	of     any // a *TLSConfig or an *UpstreamTLSConfig
	config *tls.Config
	bare   *tls.Config // the same of a listener, without ALPN: for whatever is spoken
	// packets is the same for HTTP/3.
	packets *tls.Config
	leaves  []*x509.Certificate // that are shown
	stamps  []stamp
}

// loadKeys reads the files that a *TLSConfig or *UpstreamTLSConfig names. The
// path leads to it, for the problems. By answers the questions of
// authorities.
func loadKeys(by Challenges, of any, path ...string) (*keys, error) {
	k := &keyFiles{now: time.Now()}
	made := &keys{of: of}
	switch c := of.(type) {
	case *TLSConfig:
		made.config = k.server(c, path...)
		if c.ACME != nil && by != nil {
			made.config.GetConfigForClient = challenged(by)
		}
		made.bare = made.config.Clone()
		made.bare.NextProtos = nil
		made.packets = http3.ConfigureTLSConfig(made.bare)
		made.packets.MinVersion, made.packets.GetConfigForClient = tls.VersionTLS13, nil
	case *UpstreamTLSConfig:
		made.config = k.client(c, path...)
	}
	for _, pair := range made.config.Certificates {
		made.leaves = append(made.leaves, pair.Leaf)
	}
	made.stamps = k.stamps
	return made, errors.Join(k.problems...)
}

// changed reports whether any of the files has been written since.
func (k *keys) changed() bool { return slices.ContainsFunc(k.stamps, stamp.changed) }

// keep returns k where it is still what the configuration and the files say, so
// that sessions can be resumed, and else loads anew.
func (k *keys) keep(by Challenges, of any, path ...string) (*keys, error) {
	if k != nil && reflect.DeepEqual(k.of, of) && !k.changed() {
		return k, nil
	}
	return loadKeys(by, of, path...)
}

// server is the TLS of a listener.
func (k *keyFiles) server(c *TLSConfig, path ...string) *tls.Config {
	made := &tls.Config{MinVersion: c.MinVersion.number(), NextProtos: []string{"h2", "http/1.1"}}
	add := func(c CertificateConfig, path ...string) {
		if c.Cert == "" {
			return // there is none, or Validate tells of it
		}
		if pair, ok := k.pair(c, path...); ok {
			made.Certificates = append(made.Certificates, pair)
		}
	}
	add(CertificateConfig{c.Cert, c.Key, c.RenewFrom}, path...)
	for i, one := range c.Certificates {
		add(one, append(slices.Clone(path), "certificates", strconv.Itoa(i))...)
	}
	if c.ACME != nil {
		for _, one := range c.ACME.issuances() {
			if pair, ok := k.issued(one.File); ok {
				made.Certificates = append(made.Certificates, pair)
			}
		}
		if c.ACME.CA != "" {
			k.pool(c.ACME.CA, append(slices.Clone(path), "acme", "ca")...)
		}
	}
	if c.ClientCA != "" {
		made.ClientCAs = k.pool(c.ClientCA, append(slices.Clone(path), "clientCA")...)
		made.ClientAuth = tls.RequireAndVerifyClientCert
		if c.ClientAuth == ClientAuthOptional {
			made.ClientAuth = tls.VerifyClientCertIfGiven
		}
		if len(c.ClientIDs) > 0 {
			made.VerifyConnection = admit(c.ClientIDs)
		}
	}
	return made
}

// client is the TLS towards a service's endpoints.
func (k *keyFiles) client(c *UpstreamTLSConfig, path ...string) *tls.Config {
	made := &tls.Config{
		MinVersion:         c.MinVersion.number(),
		ServerName:         c.ServerName,
		InsecureSkipVerify: c.InsecureSkipVerify,
		ClientSessionCache: tls.NewLRUClientSessionCache(64),
	}
	if len(c.ServerIDs) > 0 && c.CA != "" {
		made.InsecureSkipVerify = true // of the host's name: the whole chain is verified here
		made.VerifyConnection = trust(k.bundle(c.CA, c.ServerIDs, append(slices.Clone(path), "ca")...), c.ServerIDs)
	} else if c.CA != "" {
		made.RootCAs = k.pool(c.CA, append(slices.Clone(path), "ca")...)
	}
	if c.Cert != "" {
		if pair, ok := k.pair(CertificateConfig{c.Cert, c.Key, c.RenewFrom}, path...); ok {
			made.Certificates = []tls.Certificate{pair}
		}
	}
	return made
}

func (v TLSVersion) number() uint16 {
	if v == "1.3" {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// keysOf are the keys of a whole configuration: of listeners by address, and of
// services by name.
type keysOf struct{ listeners, services map[string]*keys }

// loadAll reads every file that the configuration names. What is in force and
// still holds is kept.
func (c *Config) loadAll(by Challenges, old keysOf) (keysOf, error) {
	all := keysOf{map[string]*keys{}, map[string]*keys{}}
	var problems []error
	note := func(into map[string]*keys, name string, k *keys, err error) {
		if into[name] = k; err != nil {
			problems = append(problems, flatten(err)...)
		}
	}
	for i, l := range c.Listeners {
		if address, err := ListenAddress(l.Address); err == nil && l.TLS != nil {
			k, err := old.listeners[address].keep(by, l.TLS, "listeners", strconv.Itoa(i), "tls")
			note(all.listeners, address, k, err)
		}
	}
	for name, s := range c.Services {
		if s.TLS != nil {
			k, err := old.services[name].keep(by, s.TLS, "services", name, "tls")
			note(all.services, name, k, err)
		}
	}
	return all, errors.Join(problems...)
}

// CheckFiles returns a [ConfigError] for every file of certificates or keys that
// the Config names and that cannot be used now, joined.
func (c *Config) CheckFiles() error {
	_, err := c.loadAll(nil, keysOf{})
	return err
}
