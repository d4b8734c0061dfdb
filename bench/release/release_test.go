package main

import (
	"os"
	"testing"

	"github.com/afloat-dev/afloat/bench/rig"
)

// TestMain lets the test binary be the service, too.
func TestMain(m *testing.M) {
	if version := os.Getenv(versionVariable); version != "" {
		serve(version)
		return
	}
	os.Exit(m.Run())
}

// TestProofs does every proof once and small, without the promises about time: go
// run ./bench/release does them in earnest.
func TestProofs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	dir := t.TempDir()
	path, err := rig.BuildAfloat(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range proofs {
		t.Run(p.name, func(t *testing.T) {
			found, _, err := p.prove(t.Context(), dir, path, size{runs: 1, releases: 1, rate: 100})
			if err != nil {
				t.Fatal(err)
			}
			t.Log(found)
		})
	}
}
