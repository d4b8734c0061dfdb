// Afloat keeps services up when their parts fail. This is its one binary.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes, the same for every verb.
const (
	exitOK          = 0
	exitFailed      = 1   // it ran, and what was asked for did not come true
	exitUsage       = 2   // the command line, a file or the machine does not allow to begin
	exitInterrupted = 130 // ended by a signal before it was done
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := Main(ctx, stop, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
