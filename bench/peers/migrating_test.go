package peers

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// theirs are the pieces of other libraries' code on the page for those who
// come from them.
var theirs = regexp.MustCompile("(?s)<!-- not run: bench/peers compiles it -->\n```go\n(.*?)```")

// TestCodeOfOthersCompiles holds that page against the libraries that it is
// about.
func TestCodeOfOthersCompiles(t *testing.T) {
	page, err := os.ReadFile("../../docs/migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	found := theirs.FindAllSubmatch(page, -1)
	if len(found) < 5 {
		t.Fatalf("found %d pieces of code, want 5", len(found))
	}
	folder := t.TempDir()
	for i, piece := range found {
		name := filepath.Join(folder, "piece"+strconv.Itoa(i+1)+".go")
		if err := os.WriteFile(name, piece[1], 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("go", "vet", name).CombinedOutput(); err != nil {
			t.Errorf("piece %d: %v\n%s", i+1, err, out)
		}
	}
}
