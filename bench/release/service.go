package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// The variables by which this program is a version of the service.
const (
	versionVariable = "BENCH_RELEASE_VERSION"
	errorsVariable  = "BENCH_RELEASE_ERRORS" // share of the requests that fail
)

// sessionTime is how long an event stream or a WebSocket lasts: no proxy can move
// one that is open, so that a version must live as long as those that it has.
const sessionTime = time.Second

// serve is one version of the service, until SIGTERM. It answers with its version
// in a header.
func serve(version string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	share, _ := strconv.ParseFloat(os.Getenv(errorsVariable), 64)
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil || rand.Float64() < share {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, n)
	})
	mux.HandleFunc("/events", serveEvents)
	mux.HandleFunc("/socket", serveSocket)
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Version", version)
		mux.ServeHTTP(w, r)
	})}
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() { _ = server.Serve(l) }() // until Shutdown
	<-ctx.Done()
	end, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = server.Shutdown(end)
}

// serveEvents sends server-sent events, the last of which says so.
func serveEvents(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	const events = 10
	for i := range events {
		fmt.Fprintf(w, "data: %d\n\n", i)
		_ = http.NewResponseController(w).Flush()
		time.Sleep(sessionTime / events)
	}
	fmt.Fprint(w, "data: end\n\n")
}

// serveSocket switches the protocol and then echoes lines, as a WebSocket would
// frames: what is passed on is bytes.
func serveSocket(w http.ResponseWriter, r *http.Request) {
	conn, both, err := http.NewResponseController(w).Hijack()
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(both, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", r.Header.Get("Upgrade"))
	_ = both.Flush()
	lines := bufio.NewReader(both)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		if _, err := io.WriteString(conn, line); err != nil {
			return
		}
	}
}
