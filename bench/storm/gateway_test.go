package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// site of three replicas, as tests fill it in.
func exampleSite(dir string) site {
	return site{Dir: dir, Port: "20999", Replicas: []string{"127.0.0.1:20001", "127.0.0.1:20002", "127.0.0.1:20003"},
		Workers: 4, Patience: patience, Try: try}
}

// TestConfigurationsAreComplete renders what every gateway gets.
func TestConfigurationsAreComplete(t *testing.T) {
	for _, g := range gateways(options{}) {
		text := rendered(t, g, exampleSite(t.TempDir()))
		for _, want := range []string{"20999", "127.0.0.1:20001", "127.0.0.1:20002", "127.0.0.1:20003", "300ms"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %s is missing:\n%s", g.title(), want, text)
			}
		}
		if strings.Contains(text, "{{") || strings.Contains(text, "<no value>") {
			t.Errorf("%s: not filled in:\n%s", g.title(), text)
		}
	}
}

func rendered(t *testing.T, g gateway, s site) string {
	t.Helper()
	file := filepath.Join(s.Dir, g.config())
	f := &front{gateway: g, file: file, site: s}
	if err := f.configure(s.Replicas); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestConfigurationsAreTaken asks the gateways themselves, where they are.
func TestConfigurationsAreTaken(t *testing.T) {
	for _, c := range []struct {
		gateway gateway
		check   func(path, file string) *exec.Cmd
	}{
		{&haproxy{}, func(path, file string) *exec.Cmd { return exec.Command(path, "-c", "-f", file) }},
		{&nginx{}, func(path, file string) *exec.Cmd {
			return exec.Command(path, "-t", "-e", "stderr", "-p", filepath.Dir(file), "-c", file)
		}},
	} {
		t.Run(c.gateway.name(), func(t *testing.T) {
			if _, err := c.gateway.find(t.Context(), ""); err != nil {
				t.Skip(err)
			}
			dir := t.TempDir()
			rendered(t, c.gateway, exampleSite(dir))
			file := filepath.Join(dir, c.gateway.config())
			path, _ := c.gateway.command(file)
			if out, err := c.check(path, file).CombinedOutput(); err != nil {
				t.Errorf("%v:\n%s", err, out)
			}
		})
	}
}

func TestSiteCountsSlots(t *testing.T) {
	s := exampleSite("")
	if s.Slots() != 8 || s.AllSlots() != 24 || s.CrowdSlots() != 18 {
		t.Errorf("%d slots, %d in all, %d for the crowd", s.Slots(), s.AllSlots(), s.CrowdSlots())
	}
	if s.HalfPatience() >= patience || s.LongWait() >= patience || s.LongWait()+s.Try > patience {
		t.Errorf("waits of %v and %v of %v", s.HalfPatience(), s.LongWait(), patience)
	}
}

func TestPauseEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if pause(ctx, time.Hour) {
		t.Error("the pause went on")
	}
	if !pause(t.Context(), time.Millisecond) {
		t.Error("the pause was cut short")
	}
}
