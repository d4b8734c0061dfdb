package acme_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/afloat-dev/afloat/internal/gateway"
)

func TestAccountIsBoundToOneOfTheAuthoritys(t *testing.T) {
	const key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	p := startPebble(t, func(c map[string]any) {
		c["externalAccountBindingRequired"], c["externalAccountMACKeys"] = true, map[string]string{"kid-1": key}
	})
	file := filepath.Join(t.TempDir(), "external.key")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("no key at all")
	s := serve(t, p, gateway.ACMEConfig{Hosts: []string{"shop.example"}, ExternalAccount: &gateway.ExternalAccountConfig{ID: "kid-1", KeyFile: file}})
	eventually(t, "what is wrong is told", func() bool { return s.log.count("holds no key in base64url") > 0 })
	write(key[:63] + "Y\n")
	eventually(t, "the authority does not take another key", func() bool { return s.log.count("register with the authority: 4") > 0 })
	write(key + "\n")
	eventually(t, "there is a certificate", func() bool { return s.serial("shop.example") != "" })

	without := serve(t, startPebble(t, func(c map[string]any) { c["externalAccountBindingRequired"] = true }), gateway.ACMEConfig{Hosts: []string{"shop.example"}})
	eventually(t, "an authority that asks for one is not taken for broken", func() bool {
		return without.log.count("externalAccountRequired") > 0
	})
}
