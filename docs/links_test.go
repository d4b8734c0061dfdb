package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	fenced  = regexp.MustCompile("(?s)```.*?```")
)

// TestLinksLeadSomewhere follows every link to a file and to a heading.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, p := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(p.text, ""), -1) {
			target := m[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(target, "#")
			name := filepath.Join(root, p.name)
			if file != "" {
				name = filepath.Join(root, filepath.Dir(p.name), file)
			}
			text, err := os.ReadFile(name)
			if info, statErr := os.Stat(name); statErr != nil {
				t.Errorf("%s: %s leads nowhere", p.name, target)
				continue
			} else if !info.IsDir() && err != nil {
				t.Fatal(err)
			}
			if anchor != "" && !hasHeading(string(text), anchor) {
				t.Errorf("%s: %s has no heading #%s", p.name, file, anchor)
			}
		}
	}
}

func hasHeading(text, anchor string) bool {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		if strings.ReplaceAll(name, " ", "-") == anchor {
			return true
		}
	}
	return false
}

// TestEveryPageIsListed finds pages that no list leads to.
func TestEveryPageIsListed(t *testing.T) {
	for _, list := range []string{"docs/README.md", "docs/decisions/README.md"} {
		text, err := os.ReadFile(filepath.Join(root, list))
		if err != nil {
			t.Error(err)
			continue
		}
		found, err := filepath.Glob(filepath.Join(root, filepath.Dir(list), "*.md"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range found {
			if base := filepath.Base(name); base != "README.md" && !strings.Contains(string(text), "("+base+")") {
				t.Errorf("%s does not list %s", list, base)
			}
		}
	}
}
