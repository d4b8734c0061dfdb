// Package prometheustest starts real Prometheus servers for tests.
package prometheustest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/freeport"
)

// Server is a Prometheus of a test's own, on the loopback interface. It takes
// remote writes and scrapes nothing.
type Server struct {
	// URL of its root.
	URL string

	program, dir, address string
	process               *exec.Cmd
}

// Patience bounds how long a real server may take to do anything.
const Patience = 30 * time.Second

// New makes a server and starts it. Without the program, the test is skipped.
func New(t testing.TB) *Server {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is missing")
	}
	address := freeport.Address(t)
	s := &Server{program: program, dir: t.TempDir(), address: address, URL: "http://" + address}
	if err := os.WriteFile(filepath.Join(s.dir, "prometheus.yml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	s.Start(t)
	return s
}

// Start runs the server and waits until it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.process = exec.Command(s.program, "--config.file="+filepath.Join(s.dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(s.dir, "data"), "--web.listen-address="+s.address, "--log.level=warn",
		"--web.enable-remote-write-receiver", "--enable-feature=native-histograms")
	s.process.Stderr = t.Output()
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	s.Await(t, "vector(1)", func(v float64) bool { return v == 1 })
}

// Kill ends the server at once.
func (s *Server) Kill() {
	if s.process != nil {
		_ = s.process.Process.Kill()
		_ = s.process.Wait() // it was killed
		s.process = nil
	}
}

// Await asks until the single value of the answer is good.
func (s *Server) Await(t testing.TB, query string, good func(float64) bool) {
	t.Helper()
	var last string
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		v, err := s.Ask(query)
		if err == nil && good(v) {
			return
		}
		last = fmt.Sprint(v, " ", err)
	}
	t.Fatalf("%s: %s", query, last)
}

// Ask returns the single value of a query's answer.
func (s *Server) Ask(query string) (float64, error) {
	res, err := http.Get(s.URL + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	var answer struct {
		Data struct{ Result []struct{ Value []any } }
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return 0, err
	}
	if len(answer.Data.Result) != 1 {
		return 0, fmt.Errorf("%d results", len(answer.Data.Result))
	}
	var v float64
	_, err = fmt.Sscan(fmt.Sprint(answer.Data.Result[0].Value[1]), &v)
	return v, err
}
