package tsdb

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// TooManySeriesError is what a query gets that selects more series than a query
// may.
type TooManySeriesError struct{ Max int }

func (e *TooManySeriesError) Error() string {
	return fmt.Sprintf("the query reads more than %d series: select fewer, or raise metrics.query.seriesMax", e.Max)
}

type queryable struct{ store *Store }

// Querier is part of [storage.Queryable].
func (q queryable) Querier(from, to int64) (storage.Querier, error) {
	db, done := q.store.use()
	if db == nil {
		return nil, ErrNotReady
	}
	querier, err := db.Querier(from, to)
	if err != nil {
		done()
		return nil, err
	}
	return &limited{Querier: querier, done: done, max: q.store.options.Query.SeriesMax}, nil
}

// ExemplarQuerier is part of [storage.ExemplarQueryable].
func (q queryable) ExemplarQuerier(ctx context.Context) (storage.ExemplarQuerier, error) {
	db := q.store.db.Load()
	if db == nil {
		return nil, ErrNotReady
	}
	return db.ExemplarQuerier(ctx)
}

// limited is a querier that counts the series of all its selections.
type limited struct {
	storage.Querier
	done func()
	max  int
	seen atomic.Int64
}

// Close is part of [storage.Querier].
func (l *limited) Close() error {
	defer l.done()
	return l.Querier.Close()
}

// Select is part of [storage.Querier].
func (l *limited) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	return &limitedSet{SeriesSet: l.Querier.Select(ctx, sorted, hints, matchers...), of: l}
}

// limitedSet ends with an error once there are too many.
type limitedSet struct {
	storage.SeriesSet
	of  *limited
	err error
}

// Next is part of [storage.SeriesSet].
func (s *limitedSet) Next() bool {
	if s.err != nil || !s.SeriesSet.Next() {
		return false
	}
	if s.of.seen.Add(1) > int64(s.of.max) {
		s.err = &TooManySeriesError{Max: s.of.max}
		return false
	}
	return true
}

// Err is part of [storage.SeriesSet].
func (s *limitedSet) Err() error {
	if s.err != nil {
		return s.err
	}
	return s.SeriesSet.Err()
}

type appendable struct{ store *Store }

// Appender is part of [storage.Appendable].
func (a appendable) Appender(ctx context.Context) storage.Appender {
	db := a.store.db.Load()
	if db == nil {
		return closedAppender{}
	}
	return db.Appender(ctx)
}
