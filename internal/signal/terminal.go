package signal

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// TerminalConfig says where and how a [Terminal] draws.
type TerminalConfig struct {
	// Out is drawn on where it is a terminal. Anything else, such as a pipe
	// or a file, gets a line a service now and then instead. Default
	// [os.Stdout].
	Out io.Writer
	// View is asked for each frame.
	View func() View
	// Interval between two frames. Default 250ms.
	Interval time.Duration
	// LineInterval between two lines where there is no terminal. Default 5s;
	// negative writes none.
	LineInterval time.Duration
	// Leave leaves the last frame behind when the view ends.
	Leave bool
}

// Terminal is the live view. It honours NO_COLOR (no-color.org), and takes a
// terminal that calls itself dumb for none.
type Terminal struct {
	config TerminalConfig
	file   *os.File // nil where Out is no terminal
	colour bool
}

// NewTerminal returns a view that draws nothing before Serve.
func NewTerminal(c TerminalConfig) *Terminal {
	if c.Out == nil {
		c.Out = os.Stdout
	}
	if c.Interval <= 0 {
		c.Interval = 250 * time.Millisecond
	}
	if c.LineInterval == 0 {
		c.LineInterval = 5 * time.Second
	}
	t := &Terminal{config: c, colour: os.Getenv("NO_COLOR") == ""}
	if file, ok := c.Out.(*os.File); ok && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb" {
		t.file = file
	}
	return t
}

// Live reports whether frames are drawn, rather than lines written. While they
// are, nobody else should write to the terminal.
func (t *Terminal) Live() bool { return t.file != nil }

// Serve draws until the context ends, and returns nil then, with the terminal
// as it was before; likewise when View panics. A terminal that went away, or
// stands still, ends the view and not what it shows.
func (t *Terminal) Serve(ctx context.Context) error {
	if t.Live() {
		t.draw(ctx)
	} else if t.config.LineInterval > 0 {
		t.write(ctx)
	}
	<-ctx.Done()
	return nil
}

// Control sequences of xterm and all that follow it. Those that a terminal
// does not know do nothing.
const (
	// enter: the alternate screen, no cursor, no wrapping of long lines.
	enter = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
	leave = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	// A frame between these is shown at once.
	begin, end = "\x1b[?2026h", "\x1b[?2026l"
	home       = "\x1b[H"
	clearLine  = "\x1b[K"
	clearBelow = "\x1b[J"
)

func (t *Terminal) draw(ctx context.Context) {
	s := newScreen(t.file)
	var last []string
	defer func() {
		text := leave
		if t.config.Leave && len(last) > 0 {
			text += strings.Join(last, "\r\n") + "\r\n"
		}
		s.close(text)
	}()
	s.put(enter)
	ticker := time.NewTicker(t.config.Interval)
	defer ticker.Stop()
	for {
		last = t.frame()
		// Wrapping is off, so that a full last line does not scroll.
		s.put(begin + home + strings.Join(last, clearLine+"\r\n") + clearLine + clearBelow + end)
		select {
		case <-ctx.Done():
			return
		case <-s.gone:
			return
		case <-ticker.C:
		}
	}
}

// frame draws for the size that the terminal has now.
func (t *Terminal) frame() []string {
	width, height, err := term.GetSize(int(t.file.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	lines := Frame(t.config.View(), width, height)
	if !t.colour {
		for i, line := range lines {
			lines[i] = plain(line)
		}
	}
	return lines
}

// write writes a line a service now and then.
func (t *Terminal) write(ctx context.Context) {
	ticker := time.NewTicker(t.config.LineInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if _, err := io.WriteString(t.config.Out, Lines(t.config.View())); err != nil {
			return
		}
	}
}

// Lines is a View in a line a service, for logs and pipes.
func Lines(v View) string {
	var b strings.Builder
	for _, s := range v.Services {
		g := s.Signals
		standing, _ := standing(members(s, v.Time))
		fmt.Fprintf(&b, "%s  %s  %s/s  failed %s  p50 %s  p99 %s  %s  %s\n",
			v.Time.Format("15:04:05"), printable(g.Service), rateFigure(g.Rate), shareFigure(g.FailedShare),
			latencyFigure(g.P50Seconds), latencyFigure(g.P99Seconds), load(g), standing)
	}
	return b.String()
}
