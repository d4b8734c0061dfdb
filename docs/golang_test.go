package docs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// imports are what fragments of Go may use without saying so.
var imports = []string{
	"context", "database/sql", "database/sql/driver", "errors", "fmt", "io", "log", "log/slog", "net/http", "time",
	"github.com/afloat-dev/afloat/policy",
	"github.com/afloat-dev/afloat/policygrpc",
	"github.com/afloat-dev/afloat/policyhttp",
	"github.com/afloat-dev/afloat/policyhttp/idempotency",
	"github.com/afloat-dev/afloat/policysql",
	"google.golang.org/grpc",
	"google.golang.org/grpc/credentials",
}

// program makes a file of a block of Go.
func program(b block) string {
	if !b.has("fragment") {
		return b.text
	}
	var out strings.Builder
	out.WriteString("package main\n\n")
	for _, path := range imports {
		if regexp.MustCompile(`\b` + filepath.Base(path) + `\.`).MatchString(b.text) {
			fmt.Fprintf(&out, "import %q\n", path)
		}
	}
	return out.String() + b.text + "\nfunc main() {}\n"
}

// TestGoCompiles vets every block of Go as a program of its own.
func TestGoCompiles(t *testing.T) {
	work := copyOfRepository(t)
	var folders []string
	each(t, "go", func(t *testing.T, b block) {
		if b.has("not run") {
			return
		}
		folder := filepath.Join("docs", "blocks", b.name())
		writeFile(t, filepath.Join(work, folder, "main.go"), program(b))
		folders = append(folders, "./"+folder)
	})
	out, err := goCommand(work, append([]string{"vet"}, folders...)...).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestGoPrintsWhatThePageSays runs the programs whose output a page shows.
func TestGoPrintsWhatThePageSays(t *testing.T) {
	work := copyOfRepository(t)
	ran := 0
	for _, p := range pages(t) {
		for i, b := range p.blocks {
			if b.language != "go" || i+1 == len(p.blocks) || !p.blocks[i+1].has("prints") {
				continue
			}
			ran++
			folder := filepath.Join("docs", "blocks", b.name())
			writeFile(t, filepath.Join(work, folder, "main.go"), program(b))
			out, err := goCommand(work, "run", "./"+folder).CombinedOutput()
			if err != nil {
				t.Errorf("%s:%d: %v\n%s", b.page, b.line, err, out)
			} else if line := unmatched(p.blocks[i+1].text, string(out)); line != "" {
				t.Errorf("%s:%d: prints no %q:\n%s", b.page, b.line, line, out)
			}
		}
	}
	if ran == 0 {
		t.Error("no program shows its output")
	}
}

// goCommand is a go command in a copy of the repository. Without the folder in
// what it builds, the build cache serves every copy.
func goCommand(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-trimpath -buildvcs=false", "GOWORK=off")
	return cmd
}

// copyOfRepository copies what a clone would have: blocks write files, and the
// files' ports are made free ones.
func copyOfRepository(t *testing.T) string {
	t.Helper()
	work := t.TempDir()
	list := exec.Command("git", "ls-files", "-co", "--exclude-standard")
	list.Dir = root
	names, err := list.Output()
	if err != nil {
		t.Fatalf("list the repository's files: %v", err)
	}
	for name := range strings.Lines(string(names)) {
		name = strings.TrimSuffix(name, "\n")
		top, _, _ := strings.Cut(name, "/")
		if slices.Contains([]string{".ci", "bench", "tools"}, top) || strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // deleted, but not yet in a commit
		} else if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(work, name), string(text))
	}
	return work
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// unmatched returns the first line of want that got does not have in its
// place. A line of … stands for any lines, a … within one for any text.
func unmatched(want, got string) string {
	rest := strings.Split(got, "\n")
	for line := range strings.Lines(want) {
		line = strings.TrimRight(line, "\n")
		if line == "…" || strings.TrimSpace(line) == "" {
			continue
		}
		pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(squeeze(line)), "…", ".*") + "$")
		i := slices.IndexFunc(rest, func(s string) bool { return pattern.MatchString(squeeze(s)) })
		if i < 0 {
			return line
		}
		rest = rest[i+1:]
	}
	return ""
}

// squeeze makes one space of many: columns are as wide as their contents.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }
