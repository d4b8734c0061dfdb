package main

import (
	"context"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal/trace"
)

// openTracer begins to send traces where the file says so.
func (d *daemon) openTracer() (err error) {
	c := d.assembly.Tracing
	if c == nil {
		return nil
	}
	headers := map[string]string{}
	for name, value := range c.Headers {
		headers[name] = string(value)
	}
	d.tracer, err = trace.New(context.Background(), trace.Options{Config: c.Config, Headers: headers, Version: readBuild().Version, Log: d.log})
	return err
}

// traceShare is the share of the traces that are kept; nil where none are.
func (d *daemon) traceShare() *float64 {
	if d.tracer == nil {
		return nil
	}
	share := d.assembly.Tracing.Share()
	return &share
}

// traced says whether a request's trace is kept; nil where none is.
func (d *daemon) traced() func(*gateway.Record) bool {
	if d.tracer == nil {
		return nil
	}
	return d.tracer.Keeps
}

// closeTracer sends what is left.
func (d *daemon) closeTracer() {
	if d.tracer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := d.tracer.Close(ctx); err != nil {
		d.log.Error("the last traces were not sent", "error", err)
	}
}
