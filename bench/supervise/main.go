// Command supervise measures how long a service with one replica is away when
// that is killed, beside how long the program takes to start by itself.
//
//	go run ./bench/supervise
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/afloat-dev/afloat/bench/rig"
	"github.com/afloat-dev/afloat/internal/freeport"
)

// beyondMax is how much longer than its program's own start a service may be
// away.
const beyondMax = 300 * time.Millisecond

// settle is how long a replica serves before it is killed.
const settle = 500 * time.Millisecond

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench/supervise:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench/supervise", flag.ContinueOnError)
	crashes := flags.Int("crashes", 20, "how often the replica is killed, each time behind an Afloat of its own")
	readme := flags.Bool("readme", false, "write the table into bench/supervise/README.md")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *crashes < 1 {
		return fmt.Errorf("-crashes: want at least 1, got %d", *crashes)
	}
	dir, err := os.MkdirTemp("", "bench-supervise-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path, err := rig.BuildAfloat(ctx, dir)
	if err != nil {
		return err
	}
	var starts, away []float64
	for i := range *crashes {
		start, err := ownStart(ctx, path)
		if err != nil {
			return err
		}
		gone, err := crash(ctx, path, filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%d/%d  the program's start %v, away for %v\n", i+1, *crashes, start.Round(time.Millisecond), gone.Round(time.Millisecond))
		starts, away = append(starts, start.Seconds()*1000), append(away, gone.Seconds()*1000)
	}
	beyond := rig.Median(away) - rig.Median(starts)
	table := fmt.Sprintf("| | median ms | worst ms |\n|---|---|---|\n| the program's own start | %.0f | %.0f |\n| from SIGKILL to an answer | %.0f | %.0f |\n| beyond the own start, at most %d | %.0f | |\n",
		rig.Median(starts), slices.Max(starts), rig.Median(away), slices.Max(away), beyondMax.Milliseconds(), beyond)
	fmt.Print(table)
	if *readme {
		if err := rig.WriteReadme("bench/supervise/README.md", "table", table); err != nil {
			return err
		}
	}
	if beyond > float64(beyondMax.Milliseconds()) {
		return errors.New("the promise is not kept")
	}
	return nil
}

// ownStart is how long the program takes until it serves.
func ownStart(ctx context.Context, path string) (time.Duration, error) {
	free, err := freeport.Addresses(1)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	p, err := rig.Start(nil, path, "sample", "-listen", free[0], "-service-time", "1ms")
	if err != nil {
		return 0, err
	}
	defer p.Kill()
	err = answered(ctx, free[0])
	return time.Since(began), err
}

// crash is how long the service is away when its replica is killed.
func crash(ctx context.Context, path, dir string) (time.Duration, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, err
	}
	free, err := freeport.Addresses(1)
	if err != nil {
		return 0, err
	}
	file := filepath.Join(dir, "afloat.yaml")
	text := fmt.Sprintf(`
listen: %s
admin: {address: "off"}
data: %s
services:
  web:
    process: {command: [%q, sample, -service-time, 1ms]}
`, free[0], filepath.Join(dir, "data"), path)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return 0, err
	}
	p, err := rig.Start(nil, path, "run", "-f", file)
	if err != nil {
		return 0, err
	}
	defer p.Stop()
	if err := answered(ctx, free[0]); err != nil {
		return 0, fmt.Errorf("%w: %s", err, p.Said())
	}
	time.Sleep(settle)
	pid, err := replicaOf(p.PID())
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return 0, err
	}
	// A first answer may still be that of the old one.
	for {
		if now, err := replicaOf(p.PID()); err == nil && now != pid {
			break
		}
		if time.Since(began) > patience {
			return 0, errors.New("no replica took the place of the one that was killed")
		}
		time.Sleep(time.Millisecond)
	}
	err = answered(ctx, free[0])
	return time.Since(began), err
}

// patience is how long anything may take.
const patience = 20 * time.Second

// answered asks until there is an answer.
func answered(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for ctx.Err() == nil {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = res.Body.Close() // it was only looked at
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("%s does not serve", address)
}

// replicaOf is the process of the sample service below an Afloat.
func replicaOf(pid int) (int, error) {
	for _, child := range rig.Family(pid) {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
		if err == nil && child != pid && slices.Contains(strings.Split(string(line), "\x00"), "sample") {
			return child, nil
		}
	}
	return 0, errors.New("Afloat runs no replica")
}
