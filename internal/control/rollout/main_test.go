package rollout

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/supervise"
)

// TestMain runs the tests, or is one of the programs that they need: the keeper,
// or a service of one version.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "keeper":
		if err := supervise.RunKeeper(os.Stdin); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case os.Getenv("ROLLOUT_TEST_VERSION") != "":
		serveVersion(os.Getenv("ROLLOUT_TEST_VERSION"), os.Getenv("ROLLOUT_TEST_FAULT"))
	default:
		os.Exit(m.Run())
	}
}

// serveVersion answers with the name of its version. A fault is one of deaf (it
// listens nowhere), slow (it takes a second to listen), crash (it dies after a
// while), stubborn (it ignores SIGTERM), fork (it leaves children behind), or
// errors=SHARE. At /seen it says how many requests it got, and how many of them
// wrote.
func serveVersion(version, fault string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	errors := 0.0
	switch name, value, _ := strings.Cut(fault, "="); name {
	case "deaf":
		<-ctx.Done()
		return
	case "crash":
		time.AfterFunc(2*time.Second, func() { os.Exit(3) })
	case "slow":
		time.Sleep(time.Second)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		ctx = context.Background()
	case "fork":
		for range 3 { // out of its process group, and out of its session
			c := exec.Command("sleep", "1000")
			c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			_ = c.Start()
		}
	case "errors":
		errors, _ = strconv.ParseFloat(value, 64)
	}
	var seen, writes atomic.Int64
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/seen": // not counted itself
			fmt.Fprint(w, seen.Load(), " ", writes.Load())
			return
		case r.Method != http.MethodGet:
			writes.Add(1)
		}
		seen.Add(1)
		w.Header().Set("X-Version", version)
		if rand.Float64() < errors {
			w.WriteHeader(500)
		}
	})}
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() { _ = server.Serve(l) }()
	<-ctx.Done()
	end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = server.Shutdown(end)
}
