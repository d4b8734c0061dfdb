package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPageOfAPolicyHasAllThatOneNeeds goes over the pages that the table of
// policies names: each says what the defaults are, shows code, and tells of
// pitfalls and of when to take something else.
func TestPageOfAPolicyHasAllThatOneNeeds(t *testing.T) {
	index, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(index), "One page a policy:")
	rows := regexp.MustCompile(`(?m)^\| \[[^]]+\]\((.+?\.md)\)`).FindAllStringSubmatch(table, -1)
	if !found || len(rows) < 13 {
		t.Fatalf("found %d pages of policies", len(rows))
	}
	for _, row := range rows {
		text, err := os.ReadFile(filepath.Clean(row[1]))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, want := range []string{"# ", "| Field | Default | Meaning |", "```go\n", "\n## Pitfalls\n", "\n## When not to\n"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("docs/%s has no %q", row[1], strings.TrimSpace(want))
			}
		}
	}
}
