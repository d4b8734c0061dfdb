package promapi

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/afloat-dev/afloat/internal/signal/tsdb"
)

// form reads parameters and keeps the first problem.
type form struct {
	store  *tsdb.Store
	values url.Values
	err    error
}

func (f *form) problem(name, format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf("invalid parameter %q: "+format, append([]any{name}, args...)...)
	}
}

// orBad prefers the form's problem, which is likely the cause of the other.
func orBad(f *form, err error) error {
	if f.err != nil {
		return &failure{badData, f.err}
	}
	return err
}

// time reads seconds since 1970 or RFC 3339.
func (f *form) time(name string, missing time.Time) time.Time {
	text := f.values.Get(name)
	if text == "" {
		return missing
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(seconds) < 1<<40 {
		return time.UnixMilli(int64(math.Round(seconds * 1000)))
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		f.problem(name, "cannot parse %q to a valid timestamp", text)
	}
	return at
}

// duration reads seconds, or a duration as PromQL writes it.
func (f *form) duration(name string) time.Duration {
	text := f.values.Get(name)
	if text == "" {
		return 0
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(seconds) < 1<<32 {
		return time.Duration(seconds * float64(time.Second))
	}
	d, err := model.ParseDuration(text)
	if err != nil {
		f.problem(name, "cannot parse %q to a valid duration", text)
	}
	return time.Duration(d)
}

// limit reads how much is wanted at most; 0 for all.
func (f *form) limit(name string) int {
	text := f.values.Get(name)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		f.problem(name, "want a number that is not negative")
	}
	return max(n, 0)
}

// span reads from when to when, in milliseconds; all times where it is open.
func (f *form) span() (from, to int64) {
	start, end := f.time("start", time.Unix(0, 0)), f.time("end", time.Unix(1<<40, 0))
	if end.Before(start) {
		f.problem("end", "end timestamp must not be before start time")
	}
	return start.UnixMilli(), end.UnixMilli()
}

// matchers reads selectors of series, each of which must exclude something.
func (f *form) matchers() [][]*labels.Matcher {
	sets, err := f.store.Parser().ParseMetricSelectors(f.values["match[]"])
	if err != nil {
		f.problem("match[]", "%v", err)
	}
	for _, set := range sets {
		if !excludes(set) {
			f.problem("match[]", "%v", errAll)
		}
	}
	return sets
}

var errAll = errors.New("match[] must contain at least one non-empty matcher")

func excludes(set []*labels.Matcher) bool {
	for _, m := range set {
		if !m.Matches("") {
			return true
		}
	}
	return false
}
