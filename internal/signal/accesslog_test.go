package signal_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal"
)

func closeLog(t *testing.T, l *signal.AccessLog) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		t.Error(err)
	}
}

// logged is what an access log writes of the records.
func logged(t *testing.T, c signal.AccessLogConfig, records ...*gateway.Record) string {
	t.Helper()
	var out bytes.Buffer
	l := signal.NewAccessLog(&out, c)
	for _, r := range records {
		l.Route(r.Route, r.Service).Request(r)
	}
	closeLog(t, l)
	return out.String()
}

func TestAccessLogWritesALineARequest(t *testing.T) {
	failed := record()
	failed.Status, failed.Reason, failed.Tries = 504, gateway.ReasonTimeout, 3
	got := logged(t, signal.AccessLogConfig{}, record(), failed)
	want := `{"time":"2026-03-01T12:00:00.250Z","client":"127.0.0.1","client_port":50412,"listener":"127.0.0.1:8080",` +
		`"method":"GET","host":"shop.example","path":"/cart/items/17","status":200,"route":"checkout","service":"cart",` +
		`"endpoint":"127.0.0.1:9001","tries":1,"duration_ms":3.200,"first_byte_ms":2.900,"request_bytes":120,"response_bytes":1024}
{"time":"2026-03-01T12:00:00.250Z","client":"127.0.0.1","client_port":50412,"listener":"127.0.0.1:8080",` +
		`"method":"GET","host":"shop.example","path":"/cart/items/17","status":504,"reason":"timeout","route":"checkout","service":"cart",` +
		`"endpoint":"127.0.0.1:9001","tries":3,"duration_ms":3.200,"first_byte_ms":2.900,"request_bytes":120,"response_bytes":1024}
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestAccessLogKeepsTheQueryOut(t *testing.T) {
	r := record()
	r.Path = []byte("/login?password=secret")
	if got := logged(t, signal.AccessLogConfig{}, r); strings.Contains(got, "secret") || !strings.Contains(got, `"path":"/login"`) {
		t.Errorf("line %s", got)
	}
}

func TestAccessLogCutsWhatIsTooLong(t *testing.T) {
	r := record()
	r.Path = bytes.Repeat([]byte("/a"), 5000)
	got := logged(t, signal.AccessLogConfig{}, r)
	if len(got) > 3000 || !strings.Contains(got, `/a…","status"`) {
		t.Errorf("a line of %d bytes", len(got))
	}
}

// A decoder must read back what a client sent, but for bytes that are not
// UTF-8, and no byte of the line may be obeyed by a terminal.
func FuzzAccessLogLine(f *testing.F) {
	for _, s := range []string{"/plain", "/\"\\\n\r\t\x00\x1b[2J\x7f", "/\xff\xfe\xc3", "/é世界🙂", "/\u2028\u2029\u0085\u009b", "/\xed\xa0\x80\ufffd"} {
		f.Add([]byte(s), s)
	}
	f.Fuzz(func(t *testing.T, host []byte, method string) {
		if len(host) > 256 || len(method) > 256 {
			return
		}
		r := record()
		r.Host, r.Method = host, method
		line := logged(t, signal.AccessLogConfig{}, r)
		var got struct{ Host, Method string }
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		if want := string([]rune(string(host))); got.Host != want {
			t.Errorf("host %q, want %q", got.Host, want)
		}
		if want := string([]rune(method)); got.Method != want {
			t.Errorf("method %q, want %q", got.Method, want)
		}
		for _, c := range strings.TrimSuffix(line, "\n") {
			if c < 0x20 || c >= 0x7f && c <= 0x9f {
				t.Errorf("control character %U in %q", c, line)
			}
		}
	})
}

func TestAccessLogSamplesSuccessesAlone(t *testing.T) {
	var records []*gateway.Record
	for i := range 2000 {
		r := record()
		if i%10 == 0 {
			r.Status = 500
		}
		records = append(records, r)
	}
	got := logged(t, signal.AccessLogConfig{Sample: 0.25}, records...)
	failed, fine := strings.Count(got, `"status":500`), strings.Count(got, `"status":200`)
	if failed != 200 {
		t.Errorf("%d of 200 failures are logged", failed)
	}
	// 1800 trials at 0.25: 450 with a standard deviation of 18.
	if fine < 340 || fine > 560 {
		t.Errorf("%d of 1800 successes are logged, want about 450", fine)
	}
}

func TestAccessLogOfFailuresAlone(t *testing.T) {
	failed := record()
	failed.Status, failed.Reason = 429, gateway.ReasonRateLimited
	got := logged(t, signal.AccessLogConfig{Sample: -1}, record(), failed, record())
	if strings.Count(got, "\n") != 1 || !strings.Contains(got, `"reason":"rate_limited"`) {
		t.Errorf("logged %s", got)
	}
}

// gate is a writer that stands still until it is opened.
type gate struct {
	open    chan struct{}
	entered chan struct{}
	once    sync.Once
	out     bytes.Buffer
}

func (g *gate) Write(b []byte) (int, error) {
	g.once.Do(func() { close(g.entered) })
	<-g.open
	return g.out.Write(b)
}

func TestAccessLogDropsAndCountsWhenItsWriterStandsStill(t *testing.T) {
	g := &gate{open: make(chan struct{}), entered: make(chan struct{})}
	m := signal.NewMetrics(signal.MetricsConfig{})
	l := signal.NewAccessLog(g, signal.AccessLogConfig{QueueBytes: 4096, FlushInterval: time.Millisecond})
	if err := m.Register(l); err != nil {
		t.Fatal(err)
	}
	const sent = 200
	l.Request(record())
	<-g.entered
	for range sent - 1 {
		l.Request(record()) // returns although nothing is written
	}
	close(g.open)
	closeLog(t, l)

	written := bytes.Count(g.out.Bytes(), []byte("\n"))
	if written < 2 || written > 1+4096/300+1 {
		t.Errorf("%d lines are written, want those that a queue of 4096 bytes holds", written)
	}
	text := scrape(t, m, "text/plain")
	for _, want := range []string{
		fmt.Sprintf(`afloat_access_log_lines_total %d`, written),
		fmt.Sprintf(`afloat_access_log_dropped_total{reason="queue_full"} %d`, sent-written),
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
}

func TestAccessLogCloseGivesUpOnAStuckWriter(t *testing.T) {
	g := &gate{open: make(chan struct{}), entered: make(chan struct{})}
	l := signal.NewAccessLog(g, signal.AccessLogConfig{FlushInterval: time.Millisecond})
	l.Request(record())
	<-g.entered
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close returns %v", err)
	}
	close(g.open)
	closeLog(t, l)
}

// flaky is a writer that fails while full.
type flaky struct {
	mu   sync.Mutex
	full bool
	out  bytes.Buffer
}

func (f *flaky) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.full {
		return 0, errors.New("no space left on device")
	}
	return f.out.Write(b)
}

func (f *flaky) fill(full bool) {
	f.mu.Lock()
	f.full = full
	f.mu.Unlock()
}

// told passes what is logged on, line by line.
type told chan string

func (c told) Write(b []byte) (int, error) { c <- string(b); return len(b), nil }

func TestAccessLogTellsOfAFailingWriterOnceAndHeals(t *testing.T) {
	f := &flaky{full: true}
	lines := make(told, 100)
	l := signal.NewAccessLog(f, signal.AccessLogConfig{
		FlushInterval: time.Millisecond, Logger: slog.New(slog.NewTextHandler(lines, nil)),
	})
	l.Request(record())
	if line := <-lines; !strings.Contains(line, "no space left on device") {
		t.Errorf("logged %s", line)
	}
	l.Request(record())
	f.fill(false)
	l.Request(record())
	if line := <-lines; !strings.Contains(line, "written again") {
		t.Errorf("logged %s", line)
	}
	closeLog(t, l)
	if scanner := bufio.NewScanner(&f.out); !scanner.Scan() || !json.Valid(scanner.Bytes()) {
		t.Error("no whole line is written after the writer works again")
	}
}

func TestAccessLogTakesRequestsFromMany(t *testing.T) {
	var out bytes.Buffer
	l := signal.NewAccessLog(&out, signal.AccessLogConfig{})
	var many sync.WaitGroup
	for range 8 {
		many.Go(func() {
			for range 200 {
				l.Request(record())
			}
		})
	}
	many.Wait()
	closeLog(t, l)
	lines := bytes.SplitAfter(out.Bytes(), []byte("\n"))
	if len(lines) != 1601 {
		t.Errorf("%d lines", len(lines)-1)
	}
	for _, line := range lines[:len(lines)-1] {
		if !json.Valid(line) {
			t.Fatalf("not JSON: %q", line)
		}
	}
}

func TestAccessLogTellsTheClientFromThePeer(t *testing.T) {
	r := record()
	r.Client, r.Peer, r.RequestID = netip.MustParseAddrPort("192.0.2.7:0"), r.Client, []byte("a-1")
	if got := logged(t, signal.AccessLogConfig{}, r); !strings.Contains(got, `"client":"192.0.2.7","client_port":0,"peer":"127.0.0.1","request_id":"a-1",`) {
		t.Errorf("line %s", got)
	}
}
