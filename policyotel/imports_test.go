package policyotel

import (
	"os/exec"
	"strings"
	"testing"
)

// TestImportsTheAPIAlone: which SDK there is, is the program's to choose.
func TestImportsTheAPIAlone(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := strings.Fields(string(out))
	for _, path := range found {
		if strings.HasPrefix(path, "go.opentelemetry.io/otel/sdk") || strings.Contains(path, "prometheus") {
			t.Errorf("imports %s", path)
		}
	}
	if len(found) < 5 {
		t.Errorf("found %v, want more", found)
	}
}
