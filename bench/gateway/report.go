package main

import (
	"fmt"
	"runtime"
	"slices"
	"time"
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
	Idle            []idleSample      `json:"idle,omitempty"`
	Samples         []sample          `json:"samples"`
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
	// ToHAProxy and ToNginx are this proxy's CPU in proportion to theirs.
	ToHAProxy float64 `json:"toHAProxy"`
	ToNginx   float64 `json:"toNginx"`
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
			for _, name := range []string{afloat, haproxy, nginx} {
				one, err := r.row(variant, connections, name)
				if err != nil {
					return err
				}
				rows = append(rows, one)
			}
			for i := range rows {
				rows[i].ToHAProxy = ratio(rows[i].CPU, rows[1].CPU)
				rows[i].ToNginx = ratio(rows[i].CPU, rows[2].CPU)
			}
			r.Rows = append(r.Rows, rows...)
		}
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
	one.CPU, one.CPUMin, one.CPUMax = median(cpu), slices.Min(cpu), slices.Max(cpu)
	one.Rate = median(of(func(s sample) float64 { return s.Rate }))
	one.P50 = median(of(func(s sample) float64 { return s.P50 }))
	one.P99 = median(of(func(s sample) float64 { return s.P99 }))
	one.Memory = median(of(func(s sample) float64 { return s.Memory }))
	one.Others = median(of(func(s sample) float64 { return s.Others }))
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

// median sorts its argument.
func median(all []float64) float64 {
	slices.Sort(all)
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}
