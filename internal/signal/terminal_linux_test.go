package signal_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/signal"
)

const (
	entered  = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	restored = "\x1b[?7h\x1b[?25h\x1b[?1049l"
)

func TestTerminalWritesLinesWhereThereIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		term := signal.NewTerminal(signal.TerminalConfig{Out: &out, View: calm})
		if term.Live() {
			t.Error("a buffer is taken for a terminal")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 11*time.Second)
		defer cancel()
		if err := term.Serve(ctx); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(strings.Repeat(signal.Lines(calm()), 2), out.String()); diff != "" {
			t.Errorf("after 11 s (-want +got):\n%s", diff)
		}
	})
}

func TestTerminalIsSilentOnRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		term := signal.NewTerminal(signal.TerminalConfig{Out: &out, View: calm, LineInterval: -1})
		if err := term.Serve(ctx); err != nil || out.Len() > 0 {
			t.Errorf("error %v, wrote %q", err, out.String())
		}
	})
}

func TestTerminalOutlivesAClosedPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		r.CloseWithError(errors.New("gone"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if err := signal.NewTerminal(signal.TerminalConfig{Out: w, View: calm}).Serve(ctx); err != nil {
			t.Error(err)
		}
		if time.Since(began) != time.Minute {
			t.Error("the view's end ends the program")
		}
	})
}

func TestTerminalDrawsFramesAndRestores(t *testing.T) {
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm-256color")
	tty, seen := pseudoTerminal(t, 100, 24)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var frames atomic.Int32
	term := signal.NewTerminal(signal.TerminalConfig{
		Out: tty, Interval: 5 * time.Millisecond, Leave: true,
		View: func() signal.View {
			if frames.Add(1) == 3 {
				cancel()
			}
			return calm()
		},
	})
	if !term.Live() {
		t.Fatal("a terminal is not taken for one")
	}
	if err := term.Serve(ctx); err != nil {
		t.Error(err)
	}
	text := strings.ReplaceAll(seen(), "\r", "") // a terminal adds some of its own
	if !strings.HasPrefix(text, entered) {
		t.Errorf("begins with %.40q", text)
	}
	first := strings.Join(signal.Frame(calm(), 100, 24), "\x1b[K\n") + "\x1b[K\x1b[J"
	if !strings.Contains(text, "\x1b[H"+first) {
		t.Error("no frame for the terminal's size")
	}
	_, after, found := strings.Cut(text, restored)
	if want := strings.Join(signal.Frame(calm(), 100, 24), "\n") + "\n"; !found || after != want {
		t.Errorf("at the end: %q", after)
	}
}

func TestTerminalRestoresAfterAPanic(t *testing.T) {
	t.Setenv("TERM", "xterm")
	tty, seen := pseudoTerminal(t, 80, 24)
	term := signal.NewTerminal(signal.TerminalConfig{Out: tty, View: func() signal.View { panic("boom") }})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is hidden")
			}
		}()
		_ = term.Serve(t.Context())
	}()
	if text := seen(); !strings.HasSuffix(text, restored) {
		t.Errorf("ends with %q", text)
	}
}

// A terminal stands still when somebody presses Ctrl-S.
func TestTerminalDoesNotWaitForOneThatStandsStill(t *testing.T) {
	t.Setenv("TERM", "xterm")
	master, tty := openTerminal(t, 200, 60)
	ctx, cancel := context.WithCancel(t.Context())
	frames := 0
	term := signal.NewTerminal(signal.TerminalConfig{Out: tty, Interval: time.Millisecond, View: func() signal.View {
		if frames++; frames == 100 { // about 700 kB, more than a terminal takes unread
			cancel()
		}
		return crowded()
	}})
	if err := term.Serve(ctx); err != nil { // returns although nobody reads
		t.Error(err)
	}
	go io.Copy(io.Discard, master) //nolint:errcheck // lets the last write end
}

func TestTerminalHonoursNoColor(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	t.Setenv("TERM", "xterm")
	tty, seen := pseudoTerminal(t, 80, 24)
	ctx, cancel := context.WithCancel(t.Context())
	term := signal.NewTerminal(signal.TerminalConfig{Out: tty, View: func() signal.View { cancel(); return stormy() }})
	if err := term.Serve(ctx); err != nil {
		t.Error(err)
	}
	if text := seen(); colour.MatchString(text) || !strings.Contains(text, "ejected") {
		t.Errorf("drawn: %q", text)
	}
}

func TestTerminalTakesADumbOneForNone(t *testing.T) {
	t.Setenv("TERM", "dumb")
	tty, _ := pseudoTerminal(t, 80, 24)
	if signal.NewTerminal(signal.TerminalConfig{Out: tty, View: calm}).Live() {
		t.Error("a dumb terminal gets frames")
	}
}
