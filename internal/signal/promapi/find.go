package promapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// labelNames are the labels of the series that match.
func (h *handler) labelNames(r *http.Request, f *form) (found, error) {
	return h.names(f, func(q storage.Querier, hints *storage.LabelHints, m []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelNames(r.Context(), hints, m...)
	})
}

// labelValues are the values that a label has.
func (h *handler) labelValues(r *http.Request, f *form) (found, error) {
	name := model.UnescapeName(r.PathValue("name"), model.ValueEncodingEscaping)
	if !model.UTF8Validation.IsValidLabelName(name) {
		f.problem("name", "invalid label name: %q", name)
	}
	return h.names(f, func(q storage.Querier, hints *storage.LabelHints, m []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelValues(r.Context(), name, hints, m...)
	})
}

// names joins what the sets of matchers find, in order.
func (h *handler) names(f *form, find func(storage.Querier, *storage.LabelHints, []*labels.Matcher) ([]string, annotations.Annotations, error)) (found, error) {
	limit, sets := f.limit("limit"), f.matchers()
	from, to := f.span()
	if f.err != nil {
		return found{}, nil
	}
	q, err := h.Store.Queryable().Querier(from, to)
	if err != nil {
		return found{}, err
	}
	defer q.Close()
	if len(sets) == 0 {
		sets = append(sets, nil) // all
	}
	hints := &storage.LabelHints{}
	if limit > 0 {
		hints.Limit = limit + 1 // one more tells that there are more
	}
	names, notes := []string{}, annotations.New()
	for _, set := range sets {
		some, warned, err := find(q, hints, set)
		if err != nil {
			return found{}, err
		}
		notes.Merge(warned)
		for _, name := range some {
			names = append(names, strings.Clone(name)) // it may lie in a file that is mapped until the querier closes
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if limit > 0 && len(names) > limit {
		names = names[:limit]
		notes.Add(errTruncated)
	}
	return found{data: names, notes: *notes}, nil
}

// series are those that match, by their labels.
func (h *handler) series(r *http.Request, f *form) (found, error) {
	limit, sets := f.limit("limit"), f.matchers()
	from, to := f.span()
	if len(sets) == 0 {
		f.problem("match[]", "no match[] parameter provided")
	}
	if f.err != nil {
		return found{}, nil
	}
	q, err := h.Store.Queryable().Querier(from, to)
	if err != nil {
		return found{}, err
	}
	defer q.Close()
	hints := &storage.SelectHints{Start: from, End: to, Func: "series"} // reads no samples
	all := make([]storage.SeriesSet, len(sets))
	for i, set := range sets {
		all[i] = q.Select(r.Context(), len(sets) > 1, hints, set...)
	}
	set := all[0]
	if len(all) > 1 {
		set = storage.NewMergeSeriesSet(all, 0, storage.ChainedSeriesMerge)
	}
	out, notes := []labels.Labels{}, annotations.New()
	for set.Next() {
		if limit > 0 && len(out) == limit {
			notes.Add(errTruncated)
			break
		}
		out = append(out, set.At().Labels())
		if err := r.Context().Err(); err != nil {
			return found{}, err
		}
	}
	notes.Merge(set.Warnings())
	return found{data: out, notes: *notes}, set.Err()
}
