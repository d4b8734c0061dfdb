package sample

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
)

// Main runs a [Service] as a program with the given arguments, its name not
// among them, until SIGINT or SIGTERM, and returns the exit code: 0 after a
// graceful end, 1 if it could not serve, 2 for wrong arguments. It listens on
// -listen, else on port $PORT of the loopback interface, else on port 8080.
func Main(args []string, stderr io.Writer) int {
	var config Config
	flags := flag.NewFlagSet("sample", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", net.JoinHostPort("127.0.0.1", cmp.Or(os.Getenv("PORT"), "8080")), "`address` to listen on")
	flags.StringVar(&config.Name, "name", "", "the replica's `name` (default replica-PORT)")
	flags.IntVar(&config.Workers, "workers", 4, "`number` of requests worked on at once")
	flags.DurationVar(&config.ServiceTime, "service-time", 0, "`time` that one request takes (default 20ms)")
	flags.DurationVar(&config.Drain, "drain", 0, "`time` for requests under way at the end (default 5s)")
	flags.StringVar(&config.Version, "version", "", "the `version` that answers have in the header X-Version")
	flags.Float64Var(&config.Errors, "errors", 0, "`share` of the requests that fail, from 0 to 1")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if err := check(config, flags.Args()); err != nil {
		fmt.Fprintln(stderr, "sample:", err)
		return 2
	}
	// Signals first: whoever sees the port open may send one.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := listenAndServe(ctx, *listen, config, stderr); err != nil {
		fmt.Fprintln(stderr, "sample:", err)
		return 1
	}
	return 0
}

func check(config Config, rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("argument %q is unknown", rest[0])
	case config.Workers < 1:
		return fmt.Errorf("-workers %d: want 1 or more", config.Workers)
	case config.ServiceTime < 0:
		return fmt.Errorf("-service-time %v is negative", config.ServiceTime)
	case !(config.Errors >= 0 && config.Errors <= 1):
		return fmt.Errorf("-errors %v: want 0 to 1", config.Errors)
	case config.Drain < 0:
		return fmt.Errorf("-drain %v is negative", config.Drain)
	}
	return nil
}

func listenAndServe(ctx context.Context, address string, config Config, stderr io.Writer) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	if config.Name == "" {
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		config.Name = "replica-" + port
	}
	fmt.Fprintf(stderr, "sample: %s listens on http://%s\n", config.Name, listener.Addr())
	return New(config).Serve(ctx, listener)
}
