package console

import (
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

var update = flag.Bool("update", false, "write openapi.json anew")

func TestDocumentIsThatOfTheOperations(t *testing.T) {
	comments, err := yamltree.Comments(".", "../alert", "../control/judge", "../control/rollout", "../control/scale", "../gateway", "../journal", "../signal", "../supervise", "../../policy")
	if err != nil {
		t.Fatal(err)
	}
	want, err := describe(newAPI(Options{}).operations(), comments)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("openapi.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(want), string(document)); diff != "" {
		t.Errorf("openapi.json is not current: run go generate ./internal/console\n%s", diff)
	}
}

// TestEveryOperationIsServed asks for each path of the document: none may be
// unknown to the server.
func TestEveryOperationIsServed(t *testing.T) {
	var d struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(document, &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Paths) < 10 {
		t.Fatalf("the document has %d paths", len(d.Paths))
	}
	o := running(t)
	o.Access = Access{Token: "an-operator's", OIDC: &OIDC{Issuer: "http://127.0.0.1:1"}}
	h := Handler(o)
	for path, methods := range d.Paths {
		for method := range methods {
			if strings.HasSuffix(path, "/stream") {
				continue // has a test of its own, and does not end
			}
			at := strings.NewReplacer("{service}", "web", "{id}", "x", "{endpoint}", "127.0.0.1:1", "{lever}", "drain").Replace(path)
			r := httptest.NewRequest(strings.ToUpper(method), "http://localhost"+at, nil)
			r.Header.Set("Authorization", "Bearer an-operator's")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code == http.StatusMethodNotAllowed || w.Code == http.StatusNotFound && strings.Contains(w.Body.String(), "page not found") {
				t.Errorf("%s %s: %d", method, at, w.Code)
			}
		}
	}
}
