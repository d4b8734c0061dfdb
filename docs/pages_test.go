// Package docs_test holds the documentation to the program: every block in it
// is loaded, compiled or run, every table compared with the code.
package docs_test

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// root is the repository's folder, seen from this one.
const root = ".."

// page is a Markdown file.
type page struct {
	name   string // from the repository's folder, such as docs/retry.md
	text   string
	blocks []block
}

// block is fenced text, and what the comments right before it say of it:
//
//	<!-- file: NAME -->          it is written there for the sh blocks that follow
//	<!-- fragment: PLACE -->     yaml of a route, a service or a process; without PLACE, Go without package and imports
//	<!-- refused: TEXT -->       it has a problem with these words
//	<!-- upstream: NAME=ADDR --> it is loaded with this -u
//	<!-- same as FILE -->        the file has the same text
//	<!-- prints -->              what the sh or go block before it prints; a line of … stands for any lines
//	<!-- needs: PROGRAMS -->     the page's sh blocks are not run without them; root is network namespaces
//	<!-- not run: WHY -->        it is not run
type block struct {
	page     string
	line     int
	language string
	text     string
	marks    map[string]string
}

func (b block) has(mark string) bool { _, ok := b.marks[mark]; return ok }

// pages reads README.md, the files beside it and everything in docs.
func pages(t *testing.T) []page {
	t.Helper()
	var names []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	var all []page
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		short, _ := filepath.Rel(root, name)
		all = append(all, page{name: short, text: string(text), blocks: readBlocks(short, string(text))})
	}
	if len(all) < 20 {
		t.Fatalf("found %d pages, want more", len(all))
	}
	return all
}

var (
	comment = regexp.MustCompile(`^<!-- ([a-z ]+?)(?:: (.*?)| as (.*?))? -->$`)
	fence   = regexp.MustCompile("^```([a-z]*)$")
)

func readBlocks(page, text string) []block {
	var all []block
	marks := map[string]string{}
	var open *block
	number := 0
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		number++
		f, c := fence.FindStringSubmatch(line), comment.FindStringSubmatch(line)
		switch {
		case open != nil && line == "```":
			all = append(all, *open)
			open, marks = nil, map[string]string{}
		case open != nil:
			open.text += line + "\n"
		case f != nil:
			open = &block{page: page, line: number, language: f[1], marks: marks}
		case c != nil:
			marks[c[1]] = c[2] + c[3]
		case strings.TrimSpace(line) != "":
			marks = map[string]string{}
		}
	}
	return all
}

// each runs a test for every block of a language.
func each(t *testing.T, language string, f func(*testing.T, block)) {
	count := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.language == language {
				count++
				t.Run(b.name(), func(t *testing.T) { f(t, b) })
			}
		}
	}
	if count == 0 {
		t.Errorf("no block is %s", language)
	}
}

func (b block) name() string {
	return strings.NewReplacer("/", "_", ".md", "").Replace(b.page) + "_" + strconv.Itoa(b.line)
}

func TestBlocksAreOfAKnownLanguage(t *testing.T) {
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			switch b.language {
			case "sh", "yaml", "go", "json", "text":
			default:
				t.Errorf("%s:%d: a block of %q: no test knows what to do with it", b.page, b.line, b.language)
			}
		}
	}
}
