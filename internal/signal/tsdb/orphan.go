package tsdb

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// orphansSince is how far back queries look for a series' last sample.
const orphansSince = 5 * time.Minute

// endOrphans marks the series of an earlier process that was killed, and that
// this one did not gather by now, as gone since. Those that rules made are left
// to the rules, which take their alerts' state from them.
func (s *Store) endOrphans(now int64) error {
	db := s.db.Load()
	q, err := db.Querier(now-orphansSince.Milliseconds(), now)
	if err != nil {
		return fmt.Errorf("look for series that ended: %w", err)
	}
	defer q.Close()
	var ours []*labels.Matcher
	s.labels.Range(func(l labels.Label) {
		ours = append(ours, labels.MustNewMatcher(labels.MatchEqual, l.Name, l.Value))
	})
	app := db.Appender(context.Background())
	set := q.Select(context.Background(), false, nil, ours...)
	var it chunkenc.Iterator
	for set.Next() {
		series := set.At()
		it = series.Iterator(it)
		at, kind := last(it)
		if kind == chunkenc.ValNone || at >= now || strings.HasPrefix(series.Labels().Get(model.MetricNameLabel), "ALERTS") {
			continue
		}
		markGone(app, series.Labels(), now, kind)
	}
	if err := set.Err(); err != nil {
		_ = app.Rollback() // the other error is the one to tell of
		return fmt.Errorf("look for series that ended: %w", err)
	}
	return app.Commit()
}

// last is when a series has its last sample and of which kind that is; none
// where the series has been marked as gone.
func last(it chunkenc.Iterator) (at int64, kind chunkenc.ValueType) {
	gone := false
	for t := it.Next(); t != chunkenc.ValNone; t = it.Next() {
		kind = t
		switch t {
		case chunkenc.ValFloat:
			var v float64
			at, v = it.At()
			gone = value.IsStaleNaN(v)
		default:
			var h *histogram.FloatHistogram
			at, h = it.AtFloatHistogram(nil)
			gone = value.IsStaleNaN(h.Sum)
		}
	}
	if gone {
		return at, chunkenc.ValNone
	}
	return at, kind
}

func markGone(app storage.Appender, series labels.Labels, now int64, kind chunkenc.ValueType) {
	gone := math.Float64frombits(value.StaleNaN)
	var err error
	switch kind {
	case chunkenc.ValFloat:
		_, err = app.Append(0, series, now, gone)
	case chunkenc.ValHistogram:
		_, err = app.AppendHistogram(0, series, now, &histogram.Histogram{Sum: gone}, nil)
	default:
		_, err = app.AppendHistogram(0, series, now, nil, &histogram.FloatHistogram{Sum: gone})
	}
	_ = err // a series that takes no mark is found for five minutes more
}
