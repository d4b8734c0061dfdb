package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// verbStorm makes the test's binary a storm of its own.
const verbStorm = "storm"

// TestMain lets the test's binary be all programs of a storm as well.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case verbReplica, verbKeeper:
			os.Exit(program(os.Args[1:]))
		case verbStorm:
			os.Exit(program(os.Args[2:]))
		}
	}
	os.Exit(m.Run())
}

func TestOptionsAreChecked(t *testing.T) {
	o, err := parse([]string{"-storm", "kill, hang", "-gateway", "afloat", "-rounds", "2", "-check"})
	if err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(o.storms, []string{"kill", "hang"}) || !cmp.Equal(o.gateways, []string{"afloat"}) || o.rounds != 2 || !o.check {
		t.Errorf("got %+v", o)
	}
	for _, bad := range []string{"-rounds=0", "-rounds=21", "-storm=drizzle", "-storm=", "-gateway=doorman", "more"} {
		if _, err := parse([]string{bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestQuickIsOneShortRound(t *testing.T) {
	quick, err := parse([]string{"-quick"})
	if err != nil {
		t.Fatal(err)
	}
	full, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	if quick.rounds != 1 || full.rounds < 2 {
		t.Errorf("%d and %d rounds", quick.rounds, full.rounds)
	}
	b := &bench{options: quick, gateways: gateways(quick)}
	b.chooseStorms()
	if len(b.storms) < 3 || b.takes() > 2*time.Minute {
		t.Errorf("%d storms take %v", len(b.storms), b.takes())
	}
	if b.options.rounds = 2; b.takes() > 4*time.Minute {
		t.Errorf("two rounds take %v", b.takes())
	}
}

func TestListNamesEverything(t *testing.T) {
	text := list(t.Context(), options{})
	for i := range storms {
		if !strings.Contains(text, storms[i].name+" ") {
			t.Errorf("%s is not listed", storms[i].name)
		}
	}
	for _, g := range gateways(options{}) {
		if !strings.Contains(text, g.title()) {
			t.Errorf("%s is not listed", g.title())
		}
	}
}

// TestStormsCanBe holds that every storm is as it says: what counts as too much
// is, and what does not is not.
func TestStormsCanBe(t *testing.T) {
	seen := map[string]bool{}
	for i := range storms {
		s := &storms[i]
		if seen[s.name] {
			t.Errorf("%s is there twice", s.name)
		}
		seen[s.name] = true
		before := s.rate + s.critical
		if before <= 0 || before > 0.7*s.shape.bears() {
			t.Errorf("%s: %v requests a second before the fault, of %v", s.name, before, s.shape.bears())
		}
		if s.surge > 0 {
			if during := s.rate*s.surge + s.critical; during < 1.9*s.shape.bears() || s.critical > 0.5*s.shape.bears() {
				t.Errorf("%s: %v requests a second in the overload, %v of them critical, of %v", s.name, during, s.critical, s.shape.bears())
			}
		}
		if s.lasts+s.tail > time.Minute || s.tail < wellFor || s.well <= s.shape.serviceTime || s.play == nil {
			t.Errorf("%s lasts %v and %v, well within %v", s.name, s.lasts, s.tail, s.well)
		}
	}
}
