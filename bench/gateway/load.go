package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// loadResult is what wrk reports, through testdata/report.lua.
type loadResult struct {
	Requests     int64 `json:"requests"`
	Bytes        int64 `json:"bytes"`
	Microseconds int64 `json:"microseconds"`
	P50          int64 `json:"p50"` // microseconds
	P99          int64 `json:"p99"` // microseconds

	ConnectErrors int64 `json:"connectErrors"`
	ReadErrors    int64 `json:"readErrors"`
	WriteErrors   int64 `json:"writeErrors"`
	StatusErrors  int64 `json:"statusErrors"`
	Timeouts      int64 `json:"timeouts"`
}

func (r *loadResult) errors() int64 {
	return r.ConnectErrors + r.ReadErrors + r.WriteErrors + r.StatusErrors + r.Timeouts
}

// load sends requests on keep-alive connections, each as soon as the one before
// is answered.
func (b *bench) load(ctx context.Context, address string, connections int, duration time.Duration) (*loadResult, error) {
	p, err := startProcess(loadCore, nil, b.wrk, "--threads", "1", "--connections", fmt.Sprint(connections),
		"--duration", fmt.Sprint(duration.Seconds(), "s"), "--latency", "--script", b.script, "http://"+address+"/")
	if err != nil {
		return nil, err
	}
	defer p.Stop()
	select {
	case <-p.Ended:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(duration + 20*time.Second):
		return nil, errors.New("wrk does not end")
	}
	var r loadResult
	said := p.Said()
	start := strings.LastIndex(said, `{"requests":`)
	if start < 0 {
		return nil, fmt.Errorf("wrk reports nothing: %s", said)
	}
	if err := json.Unmarshal([]byte(said[start:]), &r); err != nil {
		return nil, fmt.Errorf("wrk's report: %w", err)
	}
	return &r, nil
}
