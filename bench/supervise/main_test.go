package main

import (
	"path/filepath"
	"testing"

	"github.com/afloat-dev/afloat/bench/rig"
)

// TestKilledReplicaServesAgain runs a crash: that it heals, not how fast.
func TestKilledReplicaServesAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs Afloat")
	}
	dir := t.TempDir()
	path, err := rig.BuildAfloat(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if took, err := ownStart(t.Context(), path); err != nil || took <= 0 {
		t.Errorf("%v, %v", took, err)
	}
	if took, err := crash(t.Context(), path, filepath.Join(dir, "crash")); err != nil || took <= 0 {
		t.Errorf("%v, %v", took, err)
	}
}
