package config

import (
	"strings"
	"testing"
)

// TestChangedSecretsAreToldWithoutTheirValues: what Diff says goes into the log
// and the journal.
func TestChangedSecretsAreToldWithoutTheirValues(t *testing.T) {
	for name, text := range map[string]string{
		"metrics: remoteWrite[0].headers[X-Api-Key] changed": web + "metrics: {remoteWrite: [{url: 'http://127.0.0.1:9090/write', headers: {X-Api-Key: SECRET, X-Tenant: shop}}]}\n",
		"process web: env[PASSWORD] changed":                 "listen: 8080\nservices: {web: {process: {command: [sleep], env: {PASSWORD: SECRET, MODE: shop}}}}\n",
		"route a: requestHeaders.set[X-Api-Key] changed":     web + "routes: [{name: a, to: [{service: web}], requestHeaders: {set: {X-Api-Key: SECRET}}}]\n",
	} {
		with := func(value string) *Assembly {
			return assembled(t, Options{}, Source{"a.yaml", []byte(strings.ReplaceAll(text, "SECRET", value))})
		}
		got := strings.Join(with("hunter3").Diff(with("hunter2")), "\n")
		if got != name {
			t.Errorf("told as %q, want %q", got, name)
		}
	}
}
