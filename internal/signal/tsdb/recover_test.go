package tsdb_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/afloat-dev/afloat/internal/signal/tsdb"
)

func recorded(name string, pairs ...string) labels.Labels {
	return labels.FromStrings(append([]string{model.MetricNameLabel, name}, pairs...)...)
}

// childDir tells the test's program to be a process that is killed.
const childDir = "AFLOAT_TSDB_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

// child keeps a counter that grows, says each value that has been kept, and
// runs until it is killed.
func child(dir string) {
	registry := prometheus.NewRegistry()
	steps := prometheus.NewCounter(prometheus.CounterOpts{Name: "steps_total"})
	took := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "took", NativeHistogramBucketFactor: 1.1})
	registry.MustRegister(steps, took)
	o := tsdb.Options{Dir: dir, Gatherer: registry}
	o.Interval = 100 * time.Millisecond
	o.Labels = map[string]string{"instance": "here"}
	s, err := tsdb.New(o)
	if err != nil {
		panic(err)
	}
	go func() { _ = s.Serve(context.Background()) }()
	<-s.Ready()
	for {
		steps.Inc()
		took.Observe(1)
		for before := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			v, err := s.Query(context.Background(), `steps_total and on() (timestamp(steps_total) > `+fmt.Sprint(float64(before.UnixMilli())/1000)+`)`, time.Now())
			if err == nil && len(v) == 1 {
				fmt.Println(v[0].F)
				break
			}
		}
	}
}

// TestKilledStoreKeepsWhatItHad kills a real process, three times, and finds
// all that it had said was kept; the series that do not come back are marked.
func TestKilledStoreKeepsWhatItHad(t *testing.T) {
	dir := t.TempDir()
	began := time.Now()
	var said string
	for range 3 {
		said = runAndKill(t, dir, 5)
	}
	registry := prometheus.NewRegistry()
	s, stop := serve(t, tsdb.Options{Dir: dir, Gatherer: registry})
	await(t, s, `count(up)`, `{} 1`)
	since := fmt.Sprintf("[%ds]", int(time.Since(began).Seconds())+1)
	if got := ask(t, s, `max_over_time(steps_total`+since+`)`); !atLeast(got, `{instance="here", job="afloat"} `, said) {
		t.Errorf("got %v, want at least %s", got, said)
	}
	if got := ask(t, s, `count_over_time(steps_total`+since+`)`); len(got) != 1 || strings.HasSuffix(got[0], " 1") {
		t.Errorf("samples kept: %v", got)
	}
	await(t, s, `steps_total`) // nobody gathers it any more
	await(t, s, `took`)
	stop()
	if _, err := s.Query(t.Context(), `up`, time.Now()); err == nil {
		t.Error("a store that has ended answers")
	}
}

// TestEndedStoreMarksItsSeries ends a store in order and opens it again.
func TestEndedStoreMarksItsSeries(t *testing.T) {
	dir := t.TempDir()
	registry := prometheus.NewRegistry()
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "gauge"})
	registry.MustRegister(gauge)
	s, stop := serve(t, tsdb.Options{Dir: dir, Gatherer: registry})
	await(t, s, `gauge`, `{__name__="gauge", instance="here", job="afloat"} 0`)
	stop()
	s, _ = serve(t, tsdb.Options{Dir: dir, Gatherer: prometheus.NewRegistry()})
	await(t, s, `count(up)`, `{} 1`)
	await(t, s, `gauge`)
	await(t, s, `last_over_time(gauge[5m])`, `{__name__="gauge", instance="here", job="afloat"} 0`)
}

func runAndKill(t *testing.T, dir string, lines int) (last string) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childDir+"="+dir)
	c.Stderr = t.Output()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(patience, func() { _ = c.Process.Kill() })
	defer watchdog.Stop()
	scanner := bufio.NewScanner(out)
	for range lines {
		if !scanner.Scan() {
			t.Fatalf("the process ended early: %v", scanner.Err())
		}
		last = scanner.Text()
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, out)
	_ = c.Wait() // it was killed
	return last
}

func atLeast(got []string, prefix, want string) bool {
	var is, least float64
	_, errIs := fmt.Sscan(strings.TrimPrefix(strings.Join(got, ""), prefix), &is)
	_, errWant := fmt.Sscan(want, &least)
	return errIs == nil && errWant == nil && is >= least && least > 0
}
