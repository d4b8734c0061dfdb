package tsdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/afloat-dev/afloat/internal/flock"
)

// ErrNotReady is what queries and appends get while the store is not open:
// before its log has been read, while the disk is full, and after its end.
var ErrNotReady = tsdb.ErrNotReady

// Options are what a Store needs beside its Config.
type Options struct {
	Config
	// Dir is a folder of the store's own. Required.
	Dir string
	// Gatherer is asked for all metrics at each interval. Required.
	Gatherer prometheus.Gatherer
	// Registerer gets what is counted of remote writes, by the names that these
	// have in Prometheus; nil for none.
	Registerer prometheus.Registerer
	// Log is told of what fails and of what works again; nil for nobody.
	Log *slog.Logger
}

// Store keeps metrics. Its methods may be called by many goroutines at once.
type Store struct {
	options Options
	log     *slog.Logger
	inner   *slog.Logger // of Prometheus' parts
	labels  labels.Labels
	parser  parser.Parser
	engine  *promql.Engine
	figures *figures
	now     func() time.Time

	meta     described
	gathered atomic.Pointer[Gathering]
	opened   chan struct{}           // closed once it has opened
	ready    func()                  // closes opened
	sent     *remote.WriteStorage    // nil where nothing is sent
	db       atomic.Pointer[tsdb.DB] // nil while it is not open
	queries  sync.RWMutex            // read-locked by each, while it reads db
}

// New returns a Store that opens once it serves. It fails where the Config is
// wrong.
func New(o Options) (*Store, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o.Config = o.WithDefaults()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		options: o, log: o.Log, inner: slog.New(bad{o.Log.Handler()}), now: time.Now, figures: newFigures(),
		labels: labels.FromMap(identity(o.Labels)),
		parser: parser.NewParser(parser.Options{}),
		meta:   described{families: map[string]Metadata{}},
		opened: make(chan struct{}),
	}
	s.ready = sync.OnceFunc(func() { close(s.opened) })
	for _, c := range o.RemoteWrite {
		if err := c.usable(); err != nil {
			return nil, err
		}
	}
	s.engine = promql.NewEngine(promql.EngineOpts{
		Logger:     s.inner,
		MaxSamples: o.Query.SamplesMax,
		Timeout:    o.Query.Timeout,
		// Five minutes, as in every Prometheus: outcomes of rules that are
		// evaluated once a minute must not vanish between.
		LookbackDelta:            5 * time.Minute,
		NoStepSubqueryIntervalFn: func(int64) int64 { return o.Interval.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		Parser:                   s.parser,
	})
	return s, nil
}

// identity is what each series has beside its own labels.
func identity(set map[string]string) map[string]string {
	all := map[string]string{"job": "afloat", "instance": "localhost"}
	if host, err := os.Hostname(); err == nil {
		all["instance"] = host
	}
	maps.Copy(all, set)
	return all
}

// openPause is the time until the next try to open a store that did not open:
// the disk may be full, or another process may still hold the folder.
const openPause = 5 * time.Second

// Serve opens the store, gathers at each interval, and closes the store when
// ctx ends. It does not fail: while the store does not open it tries again, and
// where the disk gets full it closes the store until there is room again. It
// may be called once.
func (s *Store) Serve(ctx context.Context) error {
	lock := s.lock(ctx)
	if lock == nil {
		return nil
	}
	defer lock.Close() // it has no content
	for {
		if s.open() {
			s.keep(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(openPause):
		}
	}
}

// lock waits until no other process has the folder, as the Afloat before this
// one may for a moment, and returns nil where ctx ends before. The lock of the
// database itself is none where three processes follow each other: the one that
// ends removes the file that the next one has locked.
func (s *Store) lock(ctx context.Context) *os.File {
	for {
		soon, cancel := context.WithTimeout(ctx, openPause)
		err := os.MkdirAll(s.options.Dir, 0o700)
		var lock *os.File
		if err == nil {
			lock, err = flock.Wait(soon, filepath.Join(s.options.Dir, "lock"))
		}
		if err == nil {
			cancel()
			return lock
		}
		if ctx.Err() == nil {
			s.figures.tell(s.log, "open", err)
		}
		<-soon.Done()
		cancel()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// keep gathers until ctx ends or the disk is nearly full, and closes the store.
func (s *Store) keep(ctx context.Context) {
	defer s.close()
	round := newRound(s)
	tick, look := time.NewTicker(s.options.Interval), time.NewTicker(roomEvery)
	defer tick.Stop()
	defer look.Stop()
	for due := true; ; {
		if err := s.room(1); err != nil {
			s.figures.tell(s.log, "open", err)
			return
		}
		if due {
			s.gather(round)
		}
		select {
		case <-ctx.Done():
			s.end(round)
			return
		case <-tick.C:
			due = true
		case <-look.C:
			due = false
		}
	}
}

// open reports whether the store is open.
func (s *Store) open() bool {
	began := s.now()
	db, err := s.openDB()
	s.figures.tell(s.log, "open", err)
	if err != nil {
		return false
	}
	s.log.Info("metrics are kept", "folder", s.options.Dir, "series", db.Head().NumSeries(), "took", s.now().Sub(began))
	s.db.Store(db)
	s.ready()
	return true
}

func (s *Store) openDB() (*tsdb.DB, error) {
	if err := s.room(2); err != nil {
		return nil, err
	}
	db, err := tsdb.Open(s.options.Dir, s.inner, nil, s.blocks(), nil)
	if err != nil {
		return nil, err
	}
	if s.sent, err = s.sender(db); err != nil {
		_ = db.Close() // the other error is the one to tell of
		return nil, err
	}
	return db, nil
}

// Settings of the database for small machines: a block of half an hour keeps
// the head, and so memory and the time to read the log after a crash, small at
// a sample a second.
const (
	blockMin     = 30 * time.Minute
	blockMax     = 24 * time.Hour
	segmentBytes = 16 << 20
	stripes      = 1 << 10
	exemplarsMax = 10_000
	// lateMax is how late a sample may come: a clock that is set back must not
	// make the store blind.
	lateMax = time.Hour
)

func (s *Store) blocks() *tsdb.Options {
	o := tsdb.DefaultOptions()
	o.RetentionDuration = s.options.Retention.Milliseconds()
	o.MaxBytes = s.sizeBytes()
	o.MinBlockDuration = blockMin.Milliseconds()
	o.MaxBlockDuration = max(blockMin, min(blockMax, s.options.Retention/10)).Milliseconds()
	o.WALSegmentSize = segmentBytes
	o.StripeSize = stripes
	o.OutOfOrderTimeWindow = lateMax.Milliseconds()
	o.NoLockfile = true // there is a lock already
	o.EnableExemplarStorage = true
	o.MaxExemplars = exemplarsMax
	return o
}

func (s *Store) close() {
	if s.sent != nil {
		if err := s.sent.Close(); err != nil {
			s.log.Error("sending metrics did not end well", "error", err)
		}
	}
	db := s.db.Swap(nil)
	s.awaitQueries()
	if err := closeDB(db); err != nil {
		s.log.Error("the metrics' store did not close well", "error", err)
	}
}

// queriesMax is how long queries that have begun are waited for.
const queriesMax = 5 * time.Second

// awaitQueries lets the queries that have begun read to their end. They would
// fail in a database that is closed.
func (s *Store) awaitQueries() {
	for end := time.Now().Add(queriesMax); !s.queries.TryLock(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.log.Warn("a query of metrics does not end; its store closes")
			return
		}
	}
	s.queries.Unlock()
}

// use returns the database for a query and what to call at its end; nil while
// the store is not open.
func (s *Store) use() (*tsdb.DB, func()) {
	if !s.queries.TryRLock() {
		return nil, nil
	}
	db := s.db.Load()
	if db == nil {
		s.queries.RUnlock()
		return nil, nil
	}
	return db, sync.OnceFunc(s.queries.RUnlock)
}

// closeDB closes the database, which panics where it cannot write its chunks.
// Nothing is lost then: they are in its log.
func closeDB(db *tsdb.DB) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%v", cause)
		}
	}()
	return db.Close()
}

// Ready is closed once the store has opened.
func (s *Store) Ready() <-chan struct{} { return s.opened }

// Dir is the folder in which it keeps all.
func (s *Store) Dir() string { return s.options.Dir }

// Config is the Config with its defaults.
func (s *Store) Config() Config { return s.options.Config }

// Labels are those that each series has beside its own.
func (s *Store) Labels() labels.Labels { return s.labels }

// Engine runs queries. Each ends after the Config's timeout, and fails beyond
// its number of samples.
func (s *Store) Engine() *promql.Engine { return s.engine }

// Parser reads queries as the engine does.
func (s *Store) Parser() parser.Parser { return s.parser }

// Queryable reads what is kept. A query that selects more series than the
// Config allows fails; while the store is not open it gets [ErrNotReady].
func (s *Store) Queryable() storage.Queryable { return queryable{s} }

// Exemplars reads the examples of requests that are kept in memory.
func (s *Store) Exemplars() storage.ExemplarQueryable { return queryable{s} }

// Appendable takes what rules record; while the store is not open it gets
// [ErrNotReady].
func (s *Store) Appendable() storage.Appendable { return appendable{s} }

// DB is the database itself, nil while it is not open.
func (s *Store) DB() *tsdb.DB { return s.db.Load() }

// Query answers a query of a moment.
func (s *Store) Query(ctx context.Context, text string, at time.Time) (promql.Vector, error) {
	q, err := s.engine.NewInstantQuery(ctx, s.Queryable(), nil, text, at)
	if err != nil {
		return nil, fmt.Errorf("read the query: %w", err)
	}
	defer q.Close()
	result := q.Exec(ctx)
	if result.Err != nil {
		return nil, fmt.Errorf("query: %w", result.Err)
	}
	switch v := result.Value.(type) {
	case promql.Vector:
		return copyVector(v), nil
	case promql.Scalar:
		return promql.Vector{{T: v.T, F: v.V}}, nil
	}
	return nil, errors.New("query: want a vector or a number")
}

// copyVector makes a result outlast its query, which takes its memory back.
func copyVector(v promql.Vector) promql.Vector {
	out := make(promql.Vector, len(v))
	for i, sample := range v {
		if sample.H != nil {
			sample.H = sample.H.Copy()
		}
		out[i] = sample
	}
	return out
}
