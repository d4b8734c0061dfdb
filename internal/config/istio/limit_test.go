package istio

import (
	"strings"
	"testing"
)

func TestAHugeDocumentGivesBoundedProblems(t *testing.T) {
	doc := document(t, "f.yaml", strings.Replace(routed(""), "hosts: [a]", "hosts: ["+strings.Repeat("a_b,", 3_000)+"]", 1))
	if _, problems := ReadVirtualService(doc); len(problems) != 1000 {
		t.Errorf("%d problems, want 1000", len(problems))
	}
}
