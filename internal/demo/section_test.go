package demo

import (
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestSectionFitsATerminal(t *testing.T) {
	s := newStory(Options{}.withDefaults())
	with, err := newSide([]string{"http://127.0.0.1:1/"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range s.acts[:4] {
		a.begin(with, with)
		a.strike()
		a.found = &detection{After: 1234 * time.Millisecond}
		healed := 123 * time.Millisecond
		a.healed = &healed
		if i < 3 {
			a.lift()
		}
		if i < 2 {
			a.close()
		}
	}
	lines := s.teller.section(80)
	colour := regexp.MustCompile("\x1b\\[[0-9;]*m")
	var plain []string
	for _, line := range lines {
		line = colour.ReplaceAllString(line, "")
		if n := utf8.RuneCountInString(line); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
		plain = append(plain, line)
	}
	text := strings.Join(plain, "\n")
	for _, want := range []string{"✓ replica killed", "▷ replica hangs", "taken away", "▶ 30% errors", "on for 0 s", "   3 x overload", "1.2 s", "0.12 s"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing:\n%s", want, text)
		}
	}
}
