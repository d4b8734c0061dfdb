package tsdb

import (
	"maps"
	"sync"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
)

// Metadata says what a metric is.
type Metadata struct {
	Name, Help, Unit string
	Type             model.MetricType
}

// described is what the metrics gathered last said of themselves.
type described struct {
	mu       sync.Mutex // guards what follows
	families map[string]Metadata
}

// learn takes over what the metrics say of themselves.
func (s *Store) learn(families []*dto.MetricFamily) {
	m := &s.meta
	m.mu.Lock()
	defer m.mu.Unlock()
	next := m.families
	if len(families) != len(next) {
		next = make(map[string]Metadata, len(families)) // so that it does not keep what is gone
	}
	for _, f := range families {
		next[f.GetName()] = Metadata{Name: f.GetName(), Help: f.GetHelp(), Unit: f.GetUnit(), Type: typeOf(f.GetType())}
	}
	m.families = next
}

// Metadata returns what the metrics gathered last say of themselves, by name.
func (s *Store) Metadata() map[string]Metadata {
	s.meta.mu.Lock()
	defer s.meta.mu.Unlock()
	return maps.Clone(s.meta.families)
}

func typeOf(t dto.MetricType) model.MetricType {
	switch t {
	case dto.MetricType_COUNTER:
		return model.MetricTypeCounter
	case dto.MetricType_GAUGE:
		return model.MetricTypeGauge
	case dto.MetricType_HISTOGRAM:
		return model.MetricTypeHistogram
	case dto.MetricType_GAUGE_HISTOGRAM:
		return model.MetricTypeGaugeHistogram
	case dto.MetricType_SUMMARY:
		return model.MetricTypeSummary
	}
	return model.MetricTypeUnknown
}
