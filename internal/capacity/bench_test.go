package capacity

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asServer in the environment makes the test binary be a server, so that its
// processor time is not counted as the generator's.
const asServer = "CAPACITY_TEST_AS_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asServer) != "" {
		serveOneKilobyte()
	}
	os.Exit(m.Run())
}

func serveOneKilobyte() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr())
	body := []byte(strings.Repeat("x", 1024))
	http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(body) }))
	os.Exit(1)
}

// BenchmarkGenerator reports the generator's own processor time a request, and
// how late it starts requests, at moderate rates.
func BenchmarkGenerator(b *testing.B) {
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), asServer+"=1")
	stdout, err := server.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	defer server.Wait()
	defer server.Process.Kill()
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	for _, rate := range []float64{200, 1000, 5000, 20000} {
		b.Run(fmt.Sprintf("rate=%v", rate), func(b *testing.B) {
			rec := NewRecorder()
			g, err := NewGenerator(Load{
				Targets:  []string{"http://" + strings.TrimSpace(address)},
				Rate:     rate,
				Duration: time.Duration(float64(b.N) / rate * float64(time.Second)),
			}, rec)
			if err != nil {
				b.Fatal(err)
			}
			before := processorTime()
			if err := g.Serve(b.Context()); err != nil {
				b.Fatal(err)
			}
			used := processorTime() - before
			s := rec.Total()
			b.ReportMetric(float64(used.Microseconds())/float64(max(s.Requests, 1)), "cpu-µs/request")
			b.ReportMetric(float64(s.Lag.P50.Microseconds()), "lag-p50-µs")
			b.ReportMetric(float64(s.Lag.P99.Microseconds()), "lag-p99-µs")
			b.ReportMetric(float64(s.Latency.P50.Microseconds()), "p50-µs")
			b.ReportMetric(s.FailureShare(), "failed")
		})
	}
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
