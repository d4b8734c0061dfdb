package demo

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"

	"github.com/afloat-dev/afloat/internal/sample"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// TestMain lets the test binary be all programs of a demo as well.
func TestMain(m *testing.M) {
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	if len(os.Args) < 2 {
		os.Exit(m.Run())
	}
	switch os.Args[1] {
	case "sample":
		os.Exit(sample.Main(os.Args[2:], os.Stderr))
	case "keeper":
		if err := supervise.RunKeeper(os.Stdin); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "demo":
		os.Exit(demoProgram(os.Args[2]))
	default:
		os.Exit(m.Run())
	}
}

func demoProgram(scale string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := options()
	o.JSON = true
	o.scale, _ = strconv.ParseFloat(scale, 64)
	return Run(ctx, o)
}

func options() Options {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return Options{SampleCommand: []string{self, "sample"}, KeeperCommand: []string{self, "keeper"}}
}
