package interleave

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// replaced are the imports that the stand-ins take the place of.
var replaced = strings.NewReplacer(
	"\t\"sync\"\n", "\t\"github.com/afloat-dev/afloat/internal/interleave/sync\"\n",
	"\t\"sync/atomic\"\n", "\t\"github.com/afloat-dev/afloat/internal/interleave/atomic\"\n",
	"import \"sync\"\n", "import \"github.com/afloat-dev/afloat/internal/interleave/sync\"\n",
	"import \"sync/atomic\"\n", "import \"github.com/afloat-dev/afloat/internal/interleave/atomic\"\n",
)

// Overlay writes into the folder to what `go test -overlay` needs to compile
// the package in folder from against the stand-ins, and returns the overlay's
// path. Tests stay as they are.
func Overlay(from, to string) (string, error) {
	files, err := filepath.Glob(filepath.Join(from, "*.go"))
	if err != nil {
		return "", err
	}
	var overlay struct{ Replace map[string]string }
	overlay.Replace = map[string]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		changed := replaced.Replace(string(text))
		if changed == string(text) {
			continue
		}
		copied := filepath.Join(to, filepath.Base(file))
		if err := os.WriteFile(copied, []byte(changed), 0o600); err != nil {
			return "", err
		}
		absolute, err := filepath.Abs(file)
		if err != nil {
			return "", err
		}
		overlay.Replace[absolute] = copied
	}
	if len(overlay.Replace) == 0 {
		return "", fmt.Errorf("no file of %s imports sync or sync/atomic", from)
	}
	text, err := json.MarshalIndent(overlay, "", "\t")
	if err != nil {
		return "", err
	}
	path := filepath.Join(to, "overlay.json")
	return path, os.WriteFile(path, text, 0o600)
}
