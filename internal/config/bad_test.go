package config

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// environment is the one that the tests' files see.
func environment(name string) (string, bool) {
	value, set := map[string]string{"TRIES": "many", "SECRET": "hunter2"}[name]
	return value, set
}

func TestBadFilesAreRefusedWithPlaceAndMend(t *testing.T) {
	const name = "testdata/bad.txtar"
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string]string{}
	var files []txtar.File
	for _, f := range archive.Files {
		if of, ok := strings.CutSuffix(f.Name, ".says"); ok {
			wanted[of] = string(f.Data)
		} else {
			files = append(files, f)
		}
	}
	if len(files) < 80 {
		t.Fatalf("only %d bad files", len(files))
	}
	archive.Files = nil
	for _, f := range files {
		a, problems := Assemble([]Source{{f.Name, f.Data}}, Options{Env: environment})
		if len(problems) == 0 || (a == nil) != (problems.Err() != nil) {
			t.Errorf("%s: assembly %v with %v", f.Name, a, problems)
		}
		got := problems.Error() + "\n"
		if strings.Contains(got, "hunter2") {
			t.Errorf("%s tells the secret: %s", f.Name, got)
		}
		if !*update {
			if diff := cmp.Diff(wanted[f.Name], got); diff != "" {
				t.Errorf("%s\n%s", f.Name, diff)
			}
		}
		archive.Files = append(archive.Files, f, txtar.File{Name: f.Name + ".says", Data: []byte(got)})
	}
	if *update {
		if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
