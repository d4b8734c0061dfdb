package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// What a reader sees of the names in the report.
var (
	variantTitles = map[string]string{
		variantPlain:    "Plain proxying",
		variantPolicies: "With policies",
	}
	proxyTitles = map[string]string{afloat: "Afloat", haproxy: "HAProxy", nginx: "nginx"}
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
	r.writeIdle(&b)
	b.WriteString("\n")
	for _, name := range []string{afloat, haproxy, nginx} {
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
	b.WriteString("| | CPU-s per 100k | to HAProxy | to nginx | requests/s | p50 ms | p99 ms | memory MiB | others on the core | void rounds |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|\n")
	for _, one := range r.Rows {
		if one.Variant != variant || one.Connections != connections {
			continue
		}
		fmt.Fprintf(b, "| %s | **%.2f** (%.2f-%.2f) | %.2f | %.2f | %.0f | %.1f | %.1f | %.0f | %.0f%% | %d |\n",
			proxyTitles[one.Proxy], one.CPU, one.CPUMin, one.CPUMax, one.ToHAProxy, one.ToNginx,
			one.Rate, one.P50, one.P99, one.Memory, 100*one.Others, one.Void)
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

// The marks in bench/README.md between which the table stands.
const (
	markBegin = "<!-- gateway: begin -->\n"
	markEnd   = "<!-- gateway: end -->\n"
)

// writeReadme puts the report into bench/README.md.
func (r *report) writeReadme() error {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	file := filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), "bench", "README.md")
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var table bytes.Buffer
	if err := r.write(&table); err != nil {
		return err
	}
	text, err := between(string(old), table.String())
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

// between replaces what stands between the marks.
func between(text, table string) (string, error) {
	before, rest, begins := strings.Cut(text, markBegin)
	_, after, ends := strings.Cut(rest, markEnd)
	if !begins || !ends {
		return "", errors.New("the marks of the table are missing")
	}
	return before + markBegin + table + markEnd + after, nil
}
