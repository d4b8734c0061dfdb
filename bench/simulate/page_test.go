package simulate

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/chart"
)

var update = flag.Bool("update", false, "simulate all, and write the tables and pictures of docs/overload.md anew")

const docs = "../../docs"

// table is one of the page. What was not measured this time is "".
type table struct {
	name string
	head []string
	rows [][]string
}

// settle writes the table into the page, or compares what was measured with
// what the page says. Policies draw lots and goroutines race, so figures differ
// a little from run to run.
func (w table) settle(t *testing.T) {
	t.Helper()
	name := filepath.Join(docs, "overload.md")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	place := regexp.MustCompile(`(?s)<!-- simulated: ` + w.name + ` -->\n(.*?)<!-- end -->`)
	found := place.FindStringSubmatch(string(text))
	if found == nil {
		t.Fatalf("the page has no table %s", w.name)
	}
	if *update {
		now := place.ReplaceAllLiteralString(string(text), "<!-- simulated: "+w.name+" -->\n"+w.text()+"<!-- end -->")
		if err := os.WriteFile(name, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	said := readTable(found[1])
	compared := 0
	for i, row := range append([][]string{w.head}, w.rows...) {
		for j, measured := range row {
			if measured == "" {
				continue
			}
			compared++
			if i >= len(said) || j >= len(said[i]) || !near(said[i][j], measured, i == 0 || j == 0) {
				t.Errorf("%s: the page does not say %q in row %d, column %d; run go test ./bench/simulate -update", w.name, measured, i, j)
			}
		}
	}
	if compared < 2*len(w.rows) {
		t.Errorf("%s: only %d cells were compared", w.name, compared)
	}
}

func (w table) text() string {
	var out strings.Builder
	fmt.Fprintf(&out, "| %s |\n|%s\n", strings.Join(w.head, " | "), strings.Repeat("---|", len(w.head)))
	for _, row := range w.rows {
		fmt.Fprintf(&out, "| %s |\n", strings.Join(row, " | "))
	}
	return out.String()
}

func readTable(text string) (rows [][]string) {
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if i == 1 {
			continue // the rule
		}
		var row []string
		for _, cell := range strings.Split(strings.Trim(line, "| "), "|") {
			row = append(row, strings.TrimSpace(cell))
		}
		rows = append(rows, row)
	}
	return rows
}

var figure = regexp.MustCompile(`\d+(\.\d+)?`)

// near reports whether two cells have the same words, and figures within what
// chance does to them: three percent points, 30 ms, a second, or a quarter.
func near(said, measured string, exactly bool) bool {
	if exactly {
		return said == measured
	}
	if figure.ReplaceAllString(said, "0") != figure.ReplaceAllString(measured, "0") {
		return false
	}
	tolerance := 3.
	switch {
	case strings.HasSuffix(said, " ms"):
		tolerance = 30
	case strings.HasSuffix(said, " s"):
		tolerance = 1
	case strings.HasSuffix(said, "x"):
		tolerance = 0.05
	}
	a, b := figure.FindAllString(said, -1), figure.FindAllString(measured, -1)
	for i := range a {
		x, _ := strconv.ParseFloat(a[i], 64)
		y, _ := strconv.ParseFloat(b[i], 64)
		if math.Abs(x-y) > max(tolerance, 0.25*x) {
			return false
		}
	}
	return true
}

// percent, milliseconds and seconds are cells.
func percent(share float64) string { return fmt.Sprintf("%.0f%%", 100*share) }

func milliseconds(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// recovered is the cell of how long a scenario took to be well again.
func recovered(r *record) string {
	after, ok := r.recovery()
	if !ok {
		return fmt.Sprintf("not in %.0f s", after.Seconds())
	}
	return seconds(after)
}

// picture writes charts into a file, or holds those of the file to have the
// lines that they should, each where it was measured.
func picture(t *testing.T, name, says string, charts ...chart.Chart) {
	t.Helper()
	file := filepath.Join(docs, name)
	now := chart.SVG(says, charts...)
	if *update {
		if err := os.WriteFile(file, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	said, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	old, drawn := polylines(string(said)), polylines(now)
	if len(old) != len(drawn) || frame(string(said)) != frame(now) {
		t.Errorf("%s has other lines or words; run go test ./bench/simulate -update", name)
		return
	}
	for i, l := range drawn {
		if off := apart(old[i], l); off > 0.06 {
			t.Errorf("%s: line %d is off by %.0f%% of the height; run go test ./bench/simulate -update", name, i, 100*off)
		}
	}
}

var polyline = regexp.MustCompile(`points="([^"]*)"`)

// frame is a picture without what its lines show.
func frame(svg string) string { return polyline.ReplaceAllString(svg, "") }

func polylines(svg string) (all []map[string]float64) {
	for _, m := range polyline.FindAllStringSubmatch(svg, -1) {
		l := map[string]float64{}
		for _, p := range strings.Fields(m[1]) {
			x, y, _ := strings.Cut(p, ",")
			l[x], _ = strconv.ParseFloat(y, 64)
		}
		all = append(all, l)
	}
	return all
}

// apart is how far two lines are from each other in the mean, as a share of the
// height, where both have points.
func apart(a, b map[string]float64) float64 {
	sum, n := 0., 0
	for x, y := range b {
		if other, ok := a[x]; ok {
			sum += math.Abs(y - other)
			n++
		}
	}
	if n == 0 {
		return 1
	}
	return sum / float64(n) / chart.PlotHeight
}
