package signal

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// AccessLogConfig says what an [AccessLog] writes.
type AccessLogConfig struct {
	// Sample is the share of requests that are logged, up to 1; those that
	// failed are always logged. Default 1; negative logs failures alone.
	Sample float64
	// QueueBytes bounds the lines that wait to be written. Default 1 MiB.
	QueueBytes int
	// FlushInterval is how long a line waits at most before it is written.
	// Default 250ms.
	FlushInterval time.Duration
	// Logger is told when the writer starts to fail, and when it works again.
	// Default [slog.Default].
	Logger *slog.Logger
}

// AccessLog writes each request as a line of JSON. It is a [gateway.Observer].
//
// A request never waits for its line: lines are queued in memory, and written
// by one goroutine. When the queue is full because the disk or the pipe is too
// slow, lines are dropped and counted (afloat_access_log_dropped_total), since
// a service that stands still for its log fails more users than a lost line.
type AccessLog struct {
	config AccessLogConfig
	out    io.Writer
	lines  sync.Pool // of *[]byte, to encode outside the lock

	mu     sync.Mutex // guards what follows
	queue  []byte
	queued int // lines
	closed bool

	kick    chan struct{} // the queue is worth a write
	closing chan struct{}
	ended   chan struct{}

	written, full, refused atomic.Uint64
	writtenDesc, lostDesc  *prometheus.Desc
}

// kickBytes is how full the queue is when it is written before its time.
const kickBytes = 64 << 10

// NewAccessLog starts to log to out, until Close.
func NewAccessLog(out io.Writer, c AccessLogConfig) *AccessLog {
	if c.Sample == 0 {
		c.Sample = 1
	}
	if c.QueueBytes <= 0 {
		c.QueueBytes = 1 << 20
	}
	if c.FlushInterval <= 0 {
		c.FlushInterval = 250 * time.Millisecond
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	l := &AccessLog{
		config:      c,
		out:         out,
		lines:       sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }},
		kick:        make(chan struct{}, 1),
		closing:     make(chan struct{}),
		ended:       make(chan struct{}),
		writtenDesc: desc("afloat_access_log_lines_total", "Lines that the access log has written."),
		lostDesc: desc("afloat_access_log_dropped_total",
			"Lines that were lost: the queue was full, or the writer failed.", "reason"),
	}
	go l.write()
	return l
}

// Route returns what logs a request; the record itself names its route.
func (l *AccessLog) Route(string, string) gateway.RequestObserver { return l }

// Endpoint returns what ignores tries.
func (l *AccessLog) Endpoint(string, string) gateway.TryObserver { return ignoredTries{} }

// Event does nothing.
func (l *AccessLog) Event(gateway.Event) {}

// Request logs a request that has ended, or drops its line.
func (l *AccessLog) Request(r *gateway.Record) {
	if l.config.Sample < 1 && !r.Failed() && rand.Float64() >= l.config.Sample {
		return
	}
	line := l.lines.Get().(*[]byte)
	*line = appendLine((*line)[:0], r)
	l.put(*line)
	l.lines.Put(line)
}

func (l *AccessLog) put(line []byte) {
	l.mu.Lock()
	if l.closed || len(l.queue)+len(line) > l.config.QueueBytes {
		l.mu.Unlock()
		l.full.Add(1)
		return
	}
	before := len(l.queue)
	l.queue = append(l.queue, line...)
	l.queued++
	l.mu.Unlock()
	if before < kickBytes && before+len(line) >= kickBytes {
		select {
		case l.kick <- struct{}{}:
		default:
		}
	}
}

// Close writes what is queued and stops. It waits for the writer until the
// context ends. Requests after it are dropped.
func (l *AccessLog) Close(ctx context.Context) error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.closing)
	}
	l.mu.Unlock()
	select {
	case <-l.ended:
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("access log: its writer does not take the last lines"), ctx.Err())
	}
}

// write hands the queue to the writer until Close.
func (l *AccessLog) write() {
	defer close(l.ended)
	ticker := time.NewTicker(l.config.FlushInterval)
	defer ticker.Stop()
	var spare []byte
	failing := false
	for open := true; open; {
		select {
		case <-ticker.C:
		case <-l.kick:
		case <-l.closing:
			open = false
		}
		spare, failing = l.flush(spare, failing)
	}
}

// flush writes the queue and leaves spare in its place, so that two buffers
// serve for ever.
func (l *AccessLog) flush(spare []byte, failing bool) ([]byte, bool) {
	l.mu.Lock()
	queue, lines := l.queue, uint64(l.queued)
	l.queue, l.queued = spare[:0], 0
	l.mu.Unlock()
	if lines == 0 {
		return queue, failing
	}
	_, err := l.out.Write(queue)
	switch {
	case err == nil:
		l.written.Add(lines)
		if failing {
			l.config.Logger.Info("access log is written again")
		}
	default:
		l.refused.Add(lines)
		if !failing {
			l.config.Logger.Error("access log cannot be written", "error", err)
		}
	}
	return queue, err != nil
}

// Describe is part of [prometheus.Collector].
func (l *AccessLog) Describe(ch chan<- *prometheus.Desc) {
	ch <- l.writtenDesc
	ch <- l.lostDesc
}

// Collect is part of [prometheus.Collector].
func (l *AccessLog) Collect(ch chan<- prometheus.Metric) {
	ch <- count(l.writtenDesc, float64(l.written.Load()))
	ch <- count(l.lostDesc, float64(l.full.Load()), "queue_full")
	ch <- count(l.lostDesc, float64(l.refused.Load()), "write_error")
}
