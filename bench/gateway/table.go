package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/afloat-dev/afloat/bench/rig"
)

// What a reader sees of the names in the report.
var (
	variantTitles = map[string]string{
		variantPlain:    "Plain proxying",
		variantPolicies: "With policies",
		variantLogged:   "With policies and an access log",
	}
	proxyTitles = map[string]string{
		afloat: "Afloat", haproxy: "HAProxy", nginx: "nginx", caddy: "Caddy", reverseProxy: "httputil.ReverseProxy",
	}
)

// write prints the report as Markdown.
func (r *report) write(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s, %d cores, %s, %s. Medians of %d rounds of %.0f s; CPU with its least and most.\n",
		r.Date.Format("2006-01-02"), r.Cores, r.Platform, r.Go, r.Rounds, r.DurationSeconds)
	if most := r.othersMost(); most > othersCalm {
		fmt.Fprintf(&b, "The machine was busy: others took up to %.0f%% of the proxy's core (median). A first reading, no more.\n", 100*most)
	}
	for _, variant := range variants {
		for _, connections := range r.connections() {
			fmt.Fprintf(&b, "\n**%s, %d connections**\n\n", variantTitles[variant], connections)
			r.writeRows(&b, variant, connections)
		}
	}
	r.writePaced(&b)
	r.writeIdle(&b)
	b.WriteString("\n")
	for _, name := range names {
		if version := r.Versions[name]; version != "" {
			fmt.Fprintf(&b, "- %s: %s\n", proxyTitles[name], version)
		}
	}
	_, err := b.WriteTo(w)
	return err
}

// othersCalm is the share of the proxy's core that others may use before the
// table warns.
const othersCalm = 0.1

func (r *report) othersMost() (most float64) {
	for _, one := range r.Rows {
		most = max(most, one.Others)
	}
	return most
}

func (r *report) writeRows(b *bytes.Buffer, variant string, connections int) {
	b.WriteString("| | CPU-s per 100k | Afloat to it | requests/s | p50 ms | p99 ms | memory MiB | others on the core | void rounds |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|\n")
	for _, one := range r.Rows {
		if one.Variant != variant || one.Connections != connections {
			continue
		}
		fmt.Fprintf(b, "| %s | **%.2f** (%.2f-%.2f) | %.2f | %.0f | %.1f | %.1f | %.0f | %.0f%% | %d |\n",
			proxyTitles[one.Proxy], one.CPU, one.CPUMin, one.CPUMax, one.AfloatTo,
			one.Rate, one.P50, one.P99, one.Memory, 100*one.Others, one.Void)
	}
}

func (r *report) writePaced(b *bytes.Buffer) {
	if len(r.PacedRows) == 0 {
		return
	}
	if !slices.ContainsFunc(r.PacedRows, func(one pacedRow) bool { return one.P99 > 0 }) {
		b.WriteString("\nTimes in an open loop are not here: all rounds of that were void, as the load could not send everything in time.\n")
		return
	}
	rate, part := r.PacedRows[0].Rate, "half of what HAProxy answers at most"
	most := slices.IndexFunc(r.Rows, func(one row) bool { return one.Variant == variantPolicies && one.Proxy == haproxy })
	if most >= 0 && rate < 0.49*r.Rows[most].Rate {
		part = fmt.Sprintf("%.0f%% of what HAProxy answers at most, as the load could send no more in time", 100*rate/r.Rows[most].Rate)
	}
	fmt.Fprintf(b, "\n**With policies, %.0f requests a second: %s**\n\n", rate, part)
	b.WriteString("| | p50 ms | p99 ms | Afloat to it | of p99 the load was late, ms | void rounds |\n|---|---|---|---|---|---|\n")
	for _, one := range r.PacedRows {
		fmt.Fprintf(b, "| %s | %.2f | **%.2f** | %.2f | %.2f | %d |\n", proxyTitles[one.Proxy], one.P50, one.P99, one.AfloatTo, one.Lag99, one.Void)
	}
}

func (r *report) writeIdle(b *bytes.Buffer) {
	if len(r.Idle) == 0 {
		return
	}
	fmt.Fprintf(b, "\n**Memory for each of %d idle connections**\n\n| | KiB |\n|---|---|\n", r.Idle[0].Connections)
	for _, m := range r.Idle {
		fmt.Fprintf(b, "| %s | %.1f |\n", proxyTitles[m.Proxy], m.KiB)
	}
}

// writeReadme puts the report into bench/README.md.
func (r *report) writeReadme() error {
	var table bytes.Buffer
	if err := r.write(&table); err != nil {
		return err
	}
	return rig.WriteReadme("bench/README.md", "gateway", table.String())
}
