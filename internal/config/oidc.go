package config

import (
	"net/url"
	"slices"
)

// OIDCConfig is a provider of OpenID Connect, at which people log in to the
// console by name, and who may do what.
type OIDCConfig struct {
	// Issuer is where the provider describes itself, such as
	// https://accounts.example.com. Required.
	Issuer string `yaml:"issuer" required:"true"`
	// ClientID is what Afloat is known by there. Required.
	ClientID string `yaml:"clientID" required:"true"`
	// ClientSecret goes with it. Write ${NAME} to take it from the environment.
	ClientSecret Secret `yaml:"clientSecret"`
	// URL is where browsers reach the console, such as https://ops.example.com.
	// The provider must allow it with /api/v1/session/oidc/callback after it as a
	// redirect. Required.
	URL string `yaml:"url" required:"true"`
	// Operators are who may look and act: verified e-mail addresses, and groups.
	Operators []string `yaml:"operators"`
	// Readers are who may look. Nobody else gets in.
	Readers []string `yaml:"readers"`
}

func (a *assembler) checkOIDC(c *OIDCConfig, at place) {
	for field, text := range map[string]string{"issuer": c.Issuer, "url": c.URL} {
		u, err := url.Parse(text)
		if text != "" && (err != nil || u.Host == "" || !slices.Contains([]string{"http", "https"}, u.Scheme)) {
			a.report(at.at(field).problem("is no URL", "write it with its scheme, such as https://ops.example.com"))
		}
	}
	if len(c.Operators)+len(c.Readers) == 0 {
		a.report(at.problem("lets nobody in", "name operators or readers, by e-mail address or group"))
	}
}
