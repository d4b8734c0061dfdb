package promapi

import (
	"cmp"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/prometheus/tsdb/index"

	"github.com/afloat-dev/afloat/internal/signal/tsdb"
)

// prometheusVersion is that of the Prometheus inside, whose Go module is
// v0.315.0: from it, clients conclude what they may ask.
const prometheusVersion = "3.15.0"

func (h *handler) buildInfo(*http.Request, *form) (found, error) {
	return found{data: map[string]string{
		"version": prometheusVersion, "revision": h.Revision, "branch": "afloat " + cmp.Or(h.Version, "unknown"),
		"buildUser": "", "buildDate": "", "goVersion": runtime.Version(),
	}}, nil
}

func (h *handler) runtimeInfo(*http.Request, *form) (found, error) {
	host, _ := os.Hostname() // it is only shown
	return found{data: map[string]any{
		"startTime": h.Started, "serverTime": time.Now(), "hostname": host, "CWD": h.Store.Dir(),
		"reloadConfigSuccess": true, "lastConfigTime": h.Started, "corruptionCount": 0,
		"goroutineCount": runtime.NumGoroutine(), "GOMAXPROCS": runtime.GOMAXPROCS(0), "GOMEMLIMIT": debug.SetMemoryLimit(-1),
		"GOGC": os.Getenv("GOGC"), "GODEBUG": os.Getenv("GODEBUG"), "storageRetention": h.Store.Config().Retention.String(),
	}}, nil
}

func (h *handler) flags(*http.Request, *form) (found, error) {
	c := h.Store.Config()
	return found{data: map[string]string{
		"query.timeout":               c.Query.Timeout.String(),
		"query.lookback-delta":        "5m",
		"storage.tsdb.path":           h.Store.Dir(),
		"storage.tsdb.retention.time": c.Retention.String(),
		"web.listen-address":          h.Address,
		"web.enable-admin-api":        "false",
	}}, nil
}

// config shows what a Prometheus would need to scrape the same; Afloat's own
// file may hold what is not for everybody.
func (h *handler) config(*http.Request, *form) (found, error) {
	text := "global: {scrape_interval: " + h.Store.Config().Interval.String() + "}\n" +
		"scrape_configs: [{job_name: afloat, static_configs: [{targets: [\"" + h.Address + "\"]}]}]\n"
	return found{data: map[string]string{"yaml": text}}, nil
}

// count is a name and how much there is of it.
type count struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

// database tells which names and labels make the most series.
func (h *handler) database(_ *http.Request, f *form) (found, error) {
	db := h.Store.DB()
	if db == nil {
		return found{}, tsdb.ErrNotReady
	}
	s := db.Head().Stats("__name__", cmp.Or(f.limit("limit"), 10))
	return found{data: map[string]any{
		"headStats": map[string]any{
			"numSeries": s.NumSeries, "numLabelPairs": s.IndexPostingStats.NumLabelPairs, "minTime": s.MinTime, "maxTime": s.MaxTime,
		},
		"seriesCountByMetricName":     counts(s.IndexPostingStats.CardinalityMetricsStats),
		"labelValueCountByLabelName":  counts(s.IndexPostingStats.CardinalityLabelStats),
		"memoryInBytesByLabelName":    counts(s.IndexPostingStats.LabelValueStats),
		"seriesCountByLabelValuePair": counts(s.IndexPostingStats.LabelValuePairsStats),
	}}, nil
}

func counts(all []index.Stat) []count {
	out := make([]count, len(all))
	for i, s := range all {
		out[i] = count{s.Name, s.Count}
	}
	return out
}
