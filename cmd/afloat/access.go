package main

import (
	"github.com/afloat-dev/afloat/internal/config"
	"github.com/afloat-dev/afloat/internal/console"
)

// access says who may do what at the admin listener.
func access(c config.AdminConfig) console.Access {
	a := console.Access{Token: string(c.Token), ReadToken: string(c.ReadToken)}
	if o := c.OIDC; o != nil {
		a.OIDC = &console.OIDC{
			Issuer: o.Issuer, ClientID: o.ClientID, ClientSecret: string(o.ClientSecret), URL: o.URL,
			Operators: o.Operators, Readers: o.Readers,
		}
	}
	return a
}
