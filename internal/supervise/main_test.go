package supervise

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The test binary is also the processes that the tests supervise, and the keeper.
const (
	childMode = "AFLOAT_TEST_CHILD"
	childLife = time.Minute // of a process that nobody ends
)

func TestMain(m *testing.M) {
	// Else the race detector holds up the end of each process for a second.
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	switch {
	case len(os.Args) > 1 && os.Args[1] == "keeper":
		if err := RunKeeper(os.Stdin); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case os.Getenv(childMode) != "":
		time.AfterFunc(childLife, func() { os.Exit(99) })
		child(os.Getenv(childMode))
	default:
		os.Exit(m.Run())
	}
}

// child is a supervised process in one of its modes.
func child(mode string) {
	switch mode {
	case "serve":
		serveChild()
	case "count":
		go func() {
			for n := 1; ; n++ {
				fmt.Println(n)
				time.Sleep(time.Millisecond)
			}
		}()
		serveChild()
	case "sleep":
		select {}
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		select {}
	case "exit":
		code, _ := strconv.Atoi(os.Getenv("CODE"))
		os.Exit(code)
	case "say":
		fmt.Print(os.Getenv("TEXT"))
	case "family":
		// A grandchild in a session of its own, and one whose parent has ended.
		spawnChild("sleep", true)
		spawnChild("parent", false)
		serveChild()
	case "wiped":
		// A grandchild in the same group without the marker.
		cmd := exec.Command(os.Args[0])
		cmd.Env = []string{childMode + "=sleep"}
		_ = cmd.Start()
		serveChild()
	case "daemon":
		// One that leaves group, session, marker and parent behind.
		cmd := exec.Command("setsid", "--fork", "sleep", "61.5")
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		_ = cmd.Run()
		serveChild()
	case "eat":
		fmt.Println("eats")
		var all [][]byte
		for {
			block := make([]byte, 1<<20)
			for i := 0; i < len(block); i += 4096 {
				block[i] = 1
			}
			all = append(all, block)
			_ = all
		}
	case "spin":
		for range 4 {
			go func() {
				for n := 0; ; n++ {
					_ = n
				}
			}()
		}
		serveChild()
	case "parent":
		spawnChild("sleep", true)
	case "supervise":
		superviseChild()
	}
}

func spawnChild(mode string, session bool) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childMode+"="+mode)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: session}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(98)
	}
}

// serveChild is an HTTP server: /health answers as /set?status= says, /hang makes it hang, /exit?code= ends it.
func serveChild() {
	if os.Getenv("STUBBORN") != "" {
		signal.Ignore(syscall.SIGTERM)
	}
	var status atomic.Int64
	status.Store(200)
	if s, err := strconv.Atoi(os.Getenv("STATUS")); err == nil {
		status.Store(int64(s))
	}
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		s := int(status.Load())
		if s == 0 {
			select {}
		}
		w.WriteHeader(s)
	})
	http.HandleFunc("/set", func(_ http.ResponseWriter, r *http.Request) {
		s, _ := strconv.Atoi(r.FormValue("status"))
		status.Store(int64(s))
	})
	http.HandleFunc("/exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.FormValue("code"))
		os.Exit(code)
	})
	err := http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil)
	fmt.Fprintln(os.Stderr, err)
	os.Exit(97)
}

// superviseChild is a supervisor that runs a service until it is killed.
func superviseChild() {
	adopt, _ := time.ParseDuration(os.Getenv("ADOPT"))
	s := New(Options{Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)), Dir: os.Getenv("DIR"), Adopt: adopt})
	c := testConfig("orphan", cmp.Or(os.Getenv("MODE"), "family"))
	c.Replicas = 2
	d := testConfig("wiped", "wiped")
	if err := s.Apply([]Config{c, d}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	go func() {
		for !settled(s.Status()) {
			time.Sleep(pollEvery)
		}
		fmt.Println(s.instance)
	}()
	if err := s.Serve(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// settled reports whether all that is wanted is ready.
func settled(services []ServiceStatus) bool {
	for _, s := range services {
		if s.Ready != s.Desired || s.Rollout != RolloutComplete || len(s.Replicas) != s.Desired {
			return false
		}
	}
	return true
}
