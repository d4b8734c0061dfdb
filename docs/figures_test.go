package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/afloat-dev/afloat/policyprometheus"
)

const figuresPage = "docs/policy-telemetry.md"

var (
	figuresTable = regexp.MustCompile(`(?s)<!-- figures -->\n(.*?)<!-- end -->`)
	descText     = regexp.MustCompile(`^Desc{fqName: "(.*?)", help: "(.*?)",(?: unit: ".*?",)? constLabels: {.*?}, variableLabels: {(.*?)}`)
)

// TestFiguresPageListsWhatIsExported holds the page's table against what the
// collector describes. With -update it writes the table.
func TestFiguresPageListsWhatIsExported(t *testing.T) {
	rows := 0
	out := "| Metric | Labels | Meaning |\n|---|---|---|\n"
	for _, c := range []prometheus.Collector{policyprometheus.NewCollector(), policyprometheus.NewDurations(policyprometheus.DurationsConfig{})} {
		all := make(chan *prometheus.Desc, 100)
		c.Describe(all)
		close(all)
		for d := range all {
			m := descText.FindStringSubmatch(d.String())
			if m == nil {
				t.Fatalf("cannot read %v", d)
			}
			rows++
			out += fmt.Sprintf("| `%s` | %s | %s |\n", m[1], strings.ReplaceAll(m[3], ",", ", "), m[2])
		}
	}
	if rows < 30 {
		t.Fatalf("%d metrics, want more", rows)
	}
	text, err := os.ReadFile(filepath.Join(root, figuresPage))
	if err != nil {
		t.Fatal(err)
	}
	p := page{name: figuresPage, text: string(text)}
	if !figuresTable.MatchString(p.text) {
		t.Fatalf("%s has no table of figures", figuresPage)
	}
	settle(t, p, figuresTable.ReplaceAllLiteralString(p.text, "<!-- figures -->\n"+out+"<!-- end -->"))
}
