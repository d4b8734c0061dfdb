package promapi

import (
	"bufio"
	"math"
	"strconv"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/stats"
)

// queryData is what a query found. A range of many series has a million points,
// so it is written as it comes, not built.
type queryData struct {
	value parser.Value
	stats stats.QueryStats
}

func (d queryData) encode(out *bufio.Writer) {
	e := &pointWriter{out: out}
	e.text(`{"resultType":"` + string(d.value.Type()) + `","result":`)
	switch v := d.value.(type) {
	case promql.Matrix:
		e.list(len(v), func(i int) { e.series(&v[i]) })
	case promql.Vector:
		e.list(len(v), func(i int) { e.sample(&v[i]) })
	case promql.Scalar:
		e.point(v.T, v.V)
	default:
		writeJSON(out, v)
	}
	if d.stats != nil {
		e.text(`,"stats":`)
		writeJSON(out, d.stats.Builtin())
	}
	e.text("}")
}

// exemplarData are exemplars, by their series.
type exemplarData []exemplar.QueryResult

func (d exemplarData) encode(out *bufio.Writer) {
	e := &pointWriter{out: out}
	e.list(len(d), func(i int) {
		e.text(`{"seriesLabels":`)
		writeJSON(out, d[i].SeriesLabels)
		e.text(`,"exemplars":`)
		e.list(len(d[i].Exemplars), func(j int) { e.exemplar(&d[i].Exemplars[j]) })
		e.text("}")
	})
}

func (e *pointWriter) exemplar(x *exemplar.Exemplar) {
	e.text(`{"labels":`)
	writeJSON(e.out, x.Labels)
	e.scratch = appendValue(append(e.scratch[:0], `,"value":`...), x.Value)
	e.scratch = append(appendTime(append(e.scratch, `,"timestamp":`...), x.Ts), '}')
	_, _ = e.out.Write(e.scratch)
}

// pointWriter writes samples in the way of Prometheus: the time in seconds, and
// the value as text, since JSON has no infinity.
type pointWriter struct {
	out     *bufio.Writer
	scratch []byte
}

func (e *pointWriter) text(s string) { _, _ = e.out.WriteString(s) } // a failure stays until Flush

func (e *pointWriter) list(n int, item func(int)) {
	e.text("[")
	for i := range n {
		if i > 0 {
			e.text(",")
		}
		item(i)
	}
	e.text("]")
}

func (e *pointWriter) series(s *promql.Series) {
	e.text(`{"metric":`)
	writeJSON(e.out, s.Metric)
	if len(s.Floats) > 0 {
		e.text(`,"values":`)
		e.list(len(s.Floats), func(i int) { e.point(s.Floats[i].T, s.Floats[i].F) })
	}
	if len(s.Histograms) > 0 {
		e.text(`,"histograms":`)
		e.list(len(s.Histograms), func(i int) { e.histogram(s.Histograms[i].T, s.Histograms[i].H) })
	}
	e.text("}")
}

func (e *pointWriter) sample(s *promql.Sample) {
	e.text(`{"metric":`)
	writeJSON(e.out, s.Metric)
	if s.H != nil {
		e.text(`,"histogram":`)
		e.histogram(s.T, s.H)
	} else {
		e.text(`,"value":`)
		e.point(s.T, s.F)
	}
	e.text("}")
}

func (e *pointWriter) point(t int64, v float64) {
	e.scratch = append(appendTime(append(e.scratch[:0], '['), t), ',')
	e.scratch = append(appendValue(e.scratch, v), ']')
	_, _ = e.out.Write(e.scratch)
}

func (e *pointWriter) histogram(t int64, h *histogram.FloatHistogram) {
	e.scratch = append(appendTime(append(e.scratch[:0], '['), t), `,{"count":`...)
	e.scratch = append(appendValue(e.scratch, h.Count), `,"sum":`...)
	e.scratch = appendValue(e.scratch, h.Sum)
	before := `,"buckets":[`
	for it := h.AllBucketIterator(); it.Next(); {
		b := it.At()
		if b.Count == 0 {
			continue
		}
		e.scratch = append(append(append(e.scratch, before...), '['), edges(b.LowerInclusive, b.UpperInclusive), ',')
		e.scratch = append(appendValue(e.scratch, b.Lower), ',')
		e.scratch = append(appendValue(e.scratch, b.Upper), ',')
		e.scratch = append(appendValue(e.scratch, b.Count), ']')
		before = ","
	}
	if before == "," {
		e.scratch = append(e.scratch, ']')
	}
	_, _ = e.out.Write(append(e.scratch, "}]"...))
}

// edges says which of a bucket's bounds belong to it, by the digit that clients
// know.
func edges(lower, upper bool) byte {
	switch {
	case lower && upper:
		return '3'
	case lower:
		return '1'
	case upper:
		return '0'
	}
	return '2'
}

func appendTime(b []byte, ms int64) []byte {
	if ms < 0 {
		b, ms = append(b, '-'), -ms
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	if rest := ms % 1000; rest > 0 {
		b = append(b, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
	}
	return b
}

func appendValue(b []byte, v float64) []byte {
	form := byte('f')
	if size := math.Abs(v); size != 0 && (size < 1e-6 || size >= 1e21) {
		form = 'e'
	}
	return append(strconv.AppendFloat(append(b, '"'), v, form, -1, 64), '"')
}
