package policyhttp

import (
	"os/exec"
	"strings"
	"testing"
)

func TestImportsNothingButTheStandardLibraryAndPolicy(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(out))
	want := []string{"github.com/afloat-dev/afloat/policy", "github.com/afloat-dev/afloat/policyhttp"}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("imports %v, want %v", got, want)
	}
}
