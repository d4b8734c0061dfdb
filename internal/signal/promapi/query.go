package promapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/stats"
)

// pointsMax bounds the points of a series in an answer.
const pointsMax = 11_000

// query answers for a moment.
func (h *handler) query(r *http.Request, f *form) (found, error) {
	at := f.time("time", time.Now())
	return h.run(r, f, func(ctx context.Context, o promql.QueryOpts, text string) (promql.Query, error) {
		return h.Store.Engine().NewInstantQuery(ctx, h.Store.Queryable(), o, text, at)
	})
}

// queryRange answers for a span of time, step by step.
func (h *handler) queryRange(r *http.Request, f *form) (found, error) {
	for _, name := range []string{"start", "end", "step"} {
		if f.values.Get(name) == "" {
			f.problem(name, "it is missing")
		}
	}
	start, end, step := f.time("start", time.Time{}), f.time("end", time.Time{}), f.duration("step")
	switch {
	case end.Before(start):
		f.problem("end", "end timestamp must not be before start time")
	case step <= 0:
		f.problem("step", "zero or negative query resolution step widths are not accepted. Try a positive integer")
	case end.Sub(start)/step > pointsMax:
		f.problem("step", "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")
	}
	return h.run(r, f, func(ctx context.Context, o promql.QueryOpts, text string) (promql.Query, error) {
		return h.Store.Engine().NewRangeQuery(ctx, h.Store.Queryable(), o, text, start, end, step)
	})
}

func (h *handler) run(r *http.Request, f *form, prepare func(context.Context, promql.QueryOpts, string) (promql.Query, error)) (found, error) {
	limit, within, lookback := f.limit("limit"), f.duration("timeout"), f.duration("lookback_delta")
	if f.err != nil {
		return found{}, nil
	}
	ctx, text, detail := r.Context(), f.values.Get("query"), f.values.Get("stats")
	if within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, within)
		defer cancel()
	}
	query, err := prepare(ctx, promql.NewPrometheusQueryOpts(detail == "all", lookback), text)
	if err != nil {
		f.problem("query", "%v", err)
		return found{}, nil
	}
	result := query.Exec(ctx)
	answer := found{notes: result.Warnings, query: text, end: query.Close}
	if result.Err != nil {
		return answer, result.Err
	}
	value, cut := truncate(result.Value, limit)
	if cut {
		answer.notes.Add(errTruncated)
	}
	data := queryData{value: value}
	if detail != "" {
		data.stats = stats.NewQueryStats(query.Stats())
	}
	answer.data = data
	return answer, nil
}

var errTruncated = errors.New("results truncated due to limit")

// truncate keeps the first series of a result.
func truncate(v parser.Value, limit int) (parser.Value, bool) {
	switch all := v.(type) {
	case promql.Vector:
		if limit > 0 && len(all) > limit {
			return all[:limit], true
		}
	case promql.Matrix:
		if limit > 0 && len(all) > limit {
			return all[:limit], true
		}
	}
	return v, false
}

// format writes a query as people should.
func (h *handler) format(_ *http.Request, f *form) (found, error) {
	expr, err := h.Store.Parser().ParseExpr(f.values.Get("query"))
	if err != nil {
		f.problem("query", "%v", err)
		return found{}, nil
	}
	return found{data: expr.Pretty(0)}, nil
}

// exemplars are the examples of the series that a query reads.
func (h *handler) exemplars(r *http.Request, f *form) (found, error) {
	from, to := f.span()
	expr, err := h.Store.Parser().ParseExpr(f.values.Get("query"))
	if err != nil {
		f.problem("query", "%v", err)
		return found{}, nil
	}
	selectors := parser.ExtractSelectors(expr)
	if len(selectors) == 0 {
		return found{data: exemplarData(nil)}, nil
	}
	q, err := h.Store.Exemplars().ExemplarQuerier(r.Context())
	if err != nil {
		return found{}, err
	}
	all, err := q.Select(from, to, selectors...)
	return found{data: exemplarData(all)}, err
}
