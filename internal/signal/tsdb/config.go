package tsdb

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/afloat-dev/afloat/policy"
)

// Config says what is kept and what may be asked. Zero fields mean the defaults
// written beside them.
type Config struct {
	// Disabled keeps nothing, which saves memory and the disk. Rules, alerts
	// and plots need what is kept.
	Disabled bool `yaml:"disabled"`
	// Interval is the time from one sample of a series to the next. Default 1s.
	Interval time.Duration `yaml:"interval"`
	// Retention is for how long samples are kept. Default 168h.
	Retention time.Duration `yaml:"retention"`
	// SizeBytes is how much of the disk they may take, and no more than half
	// of it; the oldest go first. Default 1024 MiB.
	SizeBytes int64 `yaml:"sizeBytes"`
	// SeriesMax bounds the series that are kept in memory; new ones beyond it
	// are dropped. Default 100000.
	SeriesMax int `yaml:"seriesMax"`
	// Labels are added to each series. Default job: afloat, and the host's name
	// as instance.
	Labels map[string]string `yaml:"labels"`
	// Query bounds what a query may cost.
	Query QueryConfig `yaml:"query"`
	// RemoteWrite are other stores that get all samples too, at most 10.
	RemoteWrite []RemoteWriteConfig `yaml:"remoteWrite"`
}

// QueryConfig bounds what a query may cost.
type QueryConfig struct {
	// Timeout ends a query. Default 20s.
	Timeout time.Duration `yaml:"timeout"`
	// SeriesMax bounds the series that a query may read. Default 20000.
	SeriesMax int `yaml:"seriesMax"`
	// SamplesMax bounds the samples that a query may hold in memory, of 16
	// bytes each. Default 5000000.
	SamplesMax int `yaml:"samplesMax"`
	// ParallelMax bounds the queries of clients under way; others wait for
	// their turn. Default 4.
	ParallelMax int `yaml:"parallelMax"`
}

const (
	intervalMin  = 100 * time.Millisecond
	intervalMax  = time.Minute
	retentionMin = time.Hour
	retentionMax = 10 * 365 * 24 * time.Hour
	sizeMin      = 64 << 20
	sizeMax      = 1 << 50
	seriesLimit  = 10_000_000
	samplesLimit = 1_000_000_000
)

// WithDefaults returns the Config with every zero field that has a default set
// to it, but for the labels, which depend on where it runs.
func (c Config) WithDefaults() Config {
	c.Interval = cmp.Or(c.Interval, time.Second)
	c.Retention = cmp.Or(c.Retention, 7*24*time.Hour)
	c.SizeBytes = cmp.Or(c.SizeBytes, 1<<30)
	c.SeriesMax = cmp.Or(c.SeriesMax, 100_000)
	c.Query.Timeout = cmp.Or(c.Query.Timeout, 20*time.Second)
	c.Query.SeriesMax = cmp.Or(c.Query.SeriesMax, 20_000)
	c.Query.SamplesMax = cmp.Or(c.Query.SamplesMax, 5_000_000)
	c.Query.ParallelMax = cmp.Or(c.Query.ParallelMax, 4)
	return c
}

// Validate returns every problem of the Config, joined, each a
// [policy.FieldError]; nil where there is none.
func (c Config) Validate() error {
	d := c.WithDefaults()
	var all []error
	want := func(ok bool, field, format string, args ...any) {
		if !ok {
			all = append(all, &policy.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
		}
	}
	want(d.Interval >= intervalMin && d.Interval <= intervalMax, "interval", "want %v to %v, got %v", intervalMin, intervalMax, c.Interval)
	want(d.Retention >= retentionMin && d.Retention <= retentionMax, "retention", "want %v to %v, got %v", retentionMin, retentionMax, c.Retention)
	want(d.SizeBytes >= sizeMin && d.SizeBytes <= sizeMax, "sizeBytes", "want a number of bytes from %d to %d, got %d", sizeMin, int64(sizeMax), c.SizeBytes)
	want(d.SeriesMax > 0 && d.SeriesMax <= seriesLimit, "seriesMax", "want 1 to %d, got %d", seriesLimit, c.SeriesMax)
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		want(model.LegacyValidation.IsValidLabelName(name) && name != model.MetricNameLabel, "labels",
			"%q is no name of a label: want letters, digits and _", name)
	}
	q := d.Query
	want(q.Timeout >= 100*time.Millisecond && q.Timeout <= 10*time.Minute, "query.timeout", "want 100ms to 10m, got %v", c.Query.Timeout)
	want(q.SeriesMax > 0 && q.SeriesMax <= seriesLimit, "query.seriesMax", "want 1 to %d, got %d", seriesLimit, c.Query.SeriesMax)
	want(q.SamplesMax > 0 && q.SamplesMax <= samplesLimit, "query.samplesMax", "want 1 to %d, got %d", samplesLimit, c.Query.SamplesMax)
	want(q.ParallelMax > 0 && q.ParallelMax <= 1000, "query.parallelMax", "want 1 to 1000, got %d", c.Query.ParallelMax)
	want(len(c.RemoteWrite) <= receiversMax, "remoteWrite", "want at most %d, got %d", receiversMax, len(c.RemoteWrite))
	for i, r := range c.RemoteWrite {
		at := fmt.Sprintf("remoteWrite[%d].", i)
		r.validate(func(ok bool, field, format string, args ...any) { want(ok, at+field, format, args...) })
		want(!twice(c.RemoteWrite, i), at+"url", "stands twice")
	}
	return errors.Join(all...)
}
