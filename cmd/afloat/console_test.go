package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestConsoleInABrowser plays the proofs of the console's page: a browser on
// every screen and every lever, while real endpoints are killed.
func TestConsoleInABrowser(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("takes more than a minute, in processes of its own")
	}
	web, err := filepath.Abs("../../internal/console/web")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(web, "node_modules")); err != nil {
		t.Skip("needs npm ci in internal/console/web")
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs chromium")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("needs node")
	}
	afloat := filepath.Join(t.TempDir(), "afloat")
	if out, err := exec.Command("go", "build", "-o", afloat, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	proofs, err := filepath.Glob(filepath.Join(web, "proof", "*.test.mjs"))
	if err != nil || len(proofs) == 0 {
		t.Fatalf("no proofs: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	// Most of a proof is waiting: two at a time take half as long.
	c := exec.CommandContext(ctx, node, append([]string{"--test", "--test-concurrency=2"}, proofs...)...)
	c.Dir = web
	c.Env = append(os.Environ(), "AFLOAT="+afloat, "CHROMIUM="+chromium)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) } // it takes what it started along
	c.WaitDelay = 20 * time.Second
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
