package main

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/afloat-dev/afloat/bench/rig"
)

// report is the result of a run.
type report struct {
	Date            time.Time         `json:"date"`
	Cores           int               `json:"cores"`
	Platform        string            `json:"platform"`
	Go              string            `json:"go"`
	Versions        map[string]string `json:"versions"`
	Rounds          int               `json:"rounds"`
	DurationSeconds float64           `json:"durationSeconds"`
	Rows            []row             `json:"rows"`
	PacedRows       []pacedRow        `json:"pacedRows"`
	Idle            []idleSample      `json:"idle,omitempty"`
	Samples         []sample          `json:"samples"`
	Paced           []pacedSample     `json:"pacedSamples"`
}

// row holds the medians of what counts of a proxy's samples.
type row struct {
	Variant     string `json:"variant"`
	Connections int    `json:"connections"`
	Proxy       string `json:"proxy"`
	// Rounds that count, and those that were void.
	Rounds int `json:"rounds"`
	Void   int `json:"void"`

	CPU    float64 `json:"cpuSecondsPer100k"`
	CPUMin float64 `json:"cpuMin"`
	CPUMax float64 `json:"cpuMax"`
	Rate   float64 `json:"requestsPerSecond"`
	P50    float64 `json:"p50Milliseconds"`
	P99    float64 `json:"p99Milliseconds"`
	Memory float64 `json:"memoryMiB"`
	Others float64 `json:"othersShare"`
	// AfloatTo is Afloat's CPU in proportion to this proxy's.
	AfloatTo float64 `json:"afloatTo"`
}

func newReport(b *bench) *report {
	r := &report{
		Date:            time.Now().UTC().Truncate(time.Second),
		Cores:           runtime.NumCPU(),
		Platform:        runtime.GOOS + "/" + runtime.GOARCH,
		Go:              runtime.Version(),
		Versions:        map[string]string{},
		Rounds:          b.options.rounds,
		DurationSeconds: b.options.duration.Seconds(),
	}
	for _, p := range b.proxies {
		r.Versions[p.name] = p.version
	}
	return r
}

// summarize makes the rows out of the samples.
func (r *report) summarize() error {
	for _, variant := range variants {
		for _, connections := range r.connections() {
			var rows []row
			for _, name := range r.measured(variant) {
				one, err := r.row(variant, connections, name)
				if err != nil {
					return err
				}
				rows = append(rows, one)
			}
			for i := range rows {
				rows[i].AfloatTo = ratio(rows[0].CPU, rows[i].CPU)
			}
			r.Rows = append(r.Rows, rows...)
		}
	}
	return r.summarizePaced()
}

// measured are the proxies that have samples of a variant, Afloat first.
func (r *report) measured(variant string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return !slices.ContainsFunc(r.Samples, func(s sample) bool { return s.Variant == variant && s.Proxy == name })
	})
}

// pacedRow holds the medians of a proxy's paced samples that count.
type pacedRow struct {
	Proxy  string  `json:"proxy"`
	Rounds int     `json:"rounds"`
	Void   int     `json:"void"`
	Rate   float64 `json:"requestsPerSecond"`
	P50    float64 `json:"p50Milliseconds"`
	P99    float64 `json:"p99Milliseconds"`
	Lag99  float64 `json:"lag99Milliseconds"`
	// AfloatTo is Afloat's P99 in proportion to this proxy's.
	AfloatTo float64 `json:"afloatTo"`
}

// summarizePaced makes rows out of the paced samples. Those that have only void
// rounds have a row without figures.
func (r *report) summarizePaced() error {
	for _, name := range names {
		one := pacedRow{Proxy: name}
		var p50, p99, lag []float64
		for _, s := range r.Paced {
			switch {
			case s.Proxy != name:
			case s.Void != "":
				one.Void++
			default:
				one.Rate = s.Rate
				p50, p99, lag = append(p50, s.P50), append(p99, s.P99), append(lag, s.Lag99)
			}
		}
		if one.Rounds = len(p99); one.Rounds+one.Void == 0 {
			continue
		}
		if one.Rounds > 0 {
			one.P50, one.P99, one.Lag99 = rig.Median(p50), rig.Median(p99), rig.Median(lag)
		}
		r.PacedRows = append(r.PacedRows, one)
	}
	for i := range r.PacedRows {
		r.PacedRows[i].AfloatTo = ratio(r.PacedRows[0].P99, r.PacedRows[i].P99)
	}
	return nil
}

// connections are the numbers of connections that were measured with.
func (r *report) connections() (all []int) {
	for _, s := range r.Samples {
		if !slices.Contains(all, s.Connections) {
			all = append(all, s.Connections)
		}
	}
	return all
}

func (r *report) row(variant string, connections int, name string) (row, error) {
	one := row{Variant: variant, Connections: connections, Proxy: name}
	var good []sample
	var why string
	for _, s := range r.Samples {
		switch {
		case s.Variant != variant || s.Connections != connections || s.Proxy != name:
		case s.Void != "":
			one.Void++
			why = s.Void
		default:
			good = append(good, s)
		}
	}
	if one.Rounds = len(good); one.Rounds == 0 {
		return one, fmt.Errorf("%s, %s, %d connections: every round is void: %s", name, variant, connections, why)
	}
	of := func(figure func(sample) float64) []float64 {
		all := make([]float64, len(good))
		for i := range good {
			all[i] = figure(good[i])
		}
		return all
	}
	cpu := of(func(s sample) float64 { return s.CPU })
	one.CPU, one.CPUMin, one.CPUMax = rig.Median(cpu), slices.Min(cpu), slices.Max(cpu)
	one.Rate = rig.Median(of(func(s sample) float64 { return s.Rate }))
	one.P50 = rig.Median(of(func(s sample) float64 { return s.P50 }))
	one.P99 = rig.Median(of(func(s sample) float64 { return s.P99 }))
	one.Memory = rig.Median(of(func(s sample) float64 { return s.Memory }))
	one.Others = rig.Median(of(func(s sample) float64 { return s.Others }))
	return one, nil
}

// ratio is 0 where the peer cost too little to be read, as on a machine that had
// no time for it.
func ratio(own, peer float64) float64 {
	if peer == 0 {
		return 0
	}
	return own / peer
}
