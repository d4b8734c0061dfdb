// Package demo shows on real processes what Afloat is for. A gateway stands
// before three supervised replicas of the sample service; the same three stand
// beside them unprotected; both get the same load and the same faults, one
// after another. What is told at the end was measured:
//
//	           ┌▶ generator ─▶ gateway ─▶ 3 replicas, supervised
//	faults ────┤
//	           └▶ generator ─ in turn ──▶ 3 replicas, nobody looks after
//
// A fault is a [fault], what happens is the [story], and the [Verdict] is
// computed from its [measurement] alone.
package demo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// Options of a demo.
type Options struct {
	// SampleCommand starts the sample service; its flags are appended.
	// Required.
	SampleCommand []string
	// KeeperCommand starts the supervisor's keeper. Required: it is what
	// leaves no process behind when the demo itself is killed.
	KeeperCommand []string
	// NoLive prints lines instead of a live view. Without a terminal that is
	// so anyhow.
	NoLive bool
	// JSON writes the verdict to Out as JSON; everything else goes to Err.
	JSON bool
	// ShowConfig prints the gateway's configuration first.
	ShowConfig bool
	// Console, where it is not nil, shows in a browser what goes on. It returns
	// where, and what ends it.
	Console func(Shown) (url string, end func(), err error)
	// Out gets everything that is not an error. Default: standard output.
	Out io.Writer
	// Err gets errors. Default: standard error.
	Err io.Writer
	// Log is told of changes of state; nil discards.
	Log *slog.Logger

	// scale multiplies the times of the story; 0 is 1.
	scale float64
	// startMax bounds how long replicas may take to get ready; 0 is 15 s.
	startMax time.Duration
}

// Shown is what there is to see of the side with the gateway.
type Shown struct {
	Started    time.Time
	Gateway    *gateway.Gateway
	Supervisor *supervise.Supervisor
	Window     *signal.Window
	Events     *signal.EventLog
}

// Exit codes of [Run].
const (
	ExitKept        = 0   // every promise was kept
	ExitBroken      = 1   // one was not, or the run is void
	ExitUnable      = 2   // the options are wrong, or the demo could not start
	ExitInterrupted = 130 // the context ended before the demo did
)

// Run runs the demo and returns the program's exit code. It ends early when
// ctx does. When it returns, every process that it started has ended.
func Run(ctx context.Context, o Options) int {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		fmt.Fprintln(o.Err, "afloat demo:", err)
		return ExitUnable
	}
	v, err := perform(ctx, o)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(o.Err, "afloat demo: interrupted; every process that it started has ended")
		return ExitInterrupted
	case err != nil:
		fmt.Fprintln(o.Err, "afloat demo:", err)
		return ExitUnable
	}
	if err := o.print(v); err != nil {
		fmt.Fprintln(o.Err, "afloat demo: print the verdict:", err)
		return ExitUnable
	}
	if !v.Kept {
		return ExitBroken
	}
	return ExitKept
}

func (o Options) withDefaults() Options {
	o.scale = cmp.Or(o.scale, 1)
	o.startMax = cmp.Or(o.startMax, 15*time.Second)
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if o.Err == nil {
		o.Err = os.Stderr
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() error {
	switch {
	case len(o.SampleCommand) == 0:
		return errors.New("no command for the sample service was given")
	case len(o.KeeperCommand) == 0:
		return errors.New("no command for the keeper was given")
	}
	return nil
}

// scaled is a time of the story at this run's pace.
func (o Options) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) * o.scale)
}

// narration is where the story is told while it goes on.
func (o Options) narration() io.Writer {
	if o.JSON {
		return o.Err
	}
	return o.Out
}

func (o Options) print(v Verdict) error {
	if o.JSON {
		e := json.NewEncoder(o.Out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	p := paint{on: colours(o.Out)}
	_, err := io.WriteString(o.Out, v.text(p))
	return err
}

// terminal returns the writer as a terminal, or nil.
func terminal(w io.Writer) *os.File {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return f
}

func colours(w io.Writer) bool {
	return terminal(w) != nil && os.Getenv("NO_COLOR") == ""
}
