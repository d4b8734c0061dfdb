package promapi

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// target is what is scraped, as clients know it.
type target struct {
	DiscoveredLabels   labels.Labels `json:"discoveredLabels"`
	Labels             labels.Labels `json:"labels"`
	ScrapePool         string        `json:"scrapePool"`
	ScrapeURL          string        `json:"scrapeUrl"`
	GlobalURL          string        `json:"globalUrl"`
	LastError          string        `json:"lastError"`
	LastScrape         time.Time     `json:"lastScrape"`
	LastScrapeDuration float64       `json:"lastScrapeDuration"`
	Health             string        `json:"health"`
	ScrapeInterval     string        `json:"scrapeInterval"`
	ScrapeTimeout      string        `json:"scrapeTimeout"`
}

// targets are one, which is Afloat itself.
func (h *handler) targets(*http.Request, *form) (found, error) {
	own, last := h.Store.Labels(), h.Store.Gathered()
	interval := model.Duration(h.Store.Config().Interval).String()
	discovered := labels.NewBuilder(own).Set(model.AddressLabel, h.Address).Set(model.SchemeLabel, "http").Set(model.MetricsPathLabel, "/metrics")
	t := target{
		DiscoveredLabels: discovered.Labels(), Labels: own, ScrapePool: own.Get(model.JobLabel),
		ScrapeURL: "http://" + h.Address + "/metrics", GlobalURL: "http://" + h.Address + "/metrics",
		LastScrape: last.At, LastScrapeDuration: last.Took.Seconds(), Health: "up",
		ScrapeInterval: interval, ScrapeTimeout: interval,
	}
	switch {
	case last.At.IsZero():
		t.Health = "unknown"
	case last.Err != nil:
		t.Health, t.LastError = "down", last.Err.Error()
	}
	return found{data: map[string]any{"activeTargets": []target{t}, "droppedTargets": []any{}, "droppedTargetCounts": map[string]int{}}}, nil
}

// description is what a metric says of itself.
type description struct {
	Type model.MetricType `json:"type"`
	Help string           `json:"help"`
	Unit string           `json:"unit"`
}

// metadata is what the metrics say of themselves, by name.
func (h *handler) metadata(_ *http.Request, f *form) (found, error) {
	limit, only := f.limit("limit"), f.values.Get("metric")
	all, out := h.Store.Metadata(), map[string][]description{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if only != "" && name != only {
			continue
		}
		if limit > 0 && len(out) == limit {
			break
		}
		m := all[name]
		out[name] = []description{{Type: m.Type, Help: m.Help, Unit: m.Unit}}
	}
	return found{data: out}, nil
}
