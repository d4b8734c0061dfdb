package sidecar

import (
	"context"
	"os"
	"os/user"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestProgramTellsHowItEnded(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": 137} {
		p := Program{Command: []string{"sh", "-c", script}, Grace: time.Minute}
		if code, err := p.Run(t.Context()); code != want || err != nil {
			t.Errorf("%s: %d, %v", script, code, err)
		}
	}
	if _, err := (&Program{Command: []string{"/no/such/program"}}).Run(t.Context()); err == nil {
		t.Error("a program that is not there has run")
	}
}

func TestProgramIsToldToEndAndThenMadeTo(t *testing.T) {
	for script, want := range map[string]int{
		`trap "exit 5" TERM; echo up; while :; do sleep 0.05; done`: 5,
		`trap "" TERM; echo up; while :; do sleep 0.05; done`:       137,
	} {
		ctx, end := context.WithCancel(t.Context())
		p := Program{Command: []string{"sh", "-c", script}, Out: first(end), Grace: time.Second}
		if code, err := p.Run(ctx); code != want || err != nil {
			t.Errorf("%s: %d, %v", script, code, err)
		}
	}
}

// first is called when something is written.
type first func()

func (f first) Write(p []byte) (int, error) { f(); return len(p), nil }

func TestProgramIsOfItsUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("another user needs root")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip(err)
	}
	uid, _ := strconv.ParseUint(nobody.Uid, 10, 32)
	var out strings.Builder
	p := Program{Command: []string{"sh", "-c", "id -u; id -g; echo $OF"}, UID: new(uint32(uid)), Env: []string{"OF=yes"}, Out: &out}
	if code, err := p.Run(t.Context()); code != 0 || err != nil || out.String() != nobody.Uid+"\n"+nobody.Gid+"\nyes\n" {
		t.Errorf("%d, %v: %q", code, err, out.String())
	}
	if _, err := (&Program{Command: []string{"true"}, UID: new(uint32(4_000_000_000))}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "--group") {
		t.Errorf("a user without a group: %v", err)
	}
}
