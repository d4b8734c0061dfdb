package demo

import (
	"time"

	"github.com/afloat-dev/afloat/internal/signal"
)

const (
	viewSeconds    = 5 // that the figures of a view are about
	historySeconds = 60
)

// view is the unprotected service as its users see it, since nobody else looks.
func (s *side) view() signal.ServiceView {
	v := signal.ServiceView{Signals: signal.ServiceSignals{Service: unprotected}}
	all := s.recorder.Timeline(time.Second)
	all = all[:max(0, len(all)-1)] // the last one still fills
	for _, one := range all[max(0, len(all)-historySeconds):] {
		h := &v.History
		h.Rate = append(h.Rate, one.Rate())
		h.FailedShare = append(h.FailedShare, failedShare(one))
		h.P99Seconds = append(h.P99Seconds, one.Latency.P99.Seconds())
		h.End = one.Start.Add(one.Duration)
	}
	g := &v.Signals
	for _, one := range all[max(0, len(all)-viewSeconds):] {
		g.Seconds += one.Duration.Seconds()
		g.Requests += one.Requests
		g.Failed += failed(one)
		g.P50Seconds = max(g.P50Seconds, one.Latency.P50.Seconds())
		g.P99Seconds = max(g.P99Seconds, one.Latency.P99.Seconds())
	}
	if g.Requests > 0 {
		g.Rate = float64(g.Requests) / g.Seconds
		g.FailedShare = float64(g.Failed) / float64(g.Requests)
	}
	g.InFlight = int(s.recorder.Total().Pending)
	return v
}
