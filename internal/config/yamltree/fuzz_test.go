package yamltree

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzDecode: whatever the file, nothing panics and every problem has a place
// within it.
func FuzzDecode(f *testing.F) {
	positions, err := os.ReadFile(filepath.Join("testdata", "positions.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		string(positions), "", "a: *b", "? {a: 1}\n: 2", "- - - -", "listen: ${PORT:-80}\nservices: {web: {timeout: 5}}",
		"services:\n  a: &a {port: 1}\n  b: {<<: *a}\n  c: {<<: [*a, 5]}", "listen: |\n  a\n\tb", "--- a\n...\n%YAML 1.2\n---\nb",
		"\"a\\\nb\": 'x\n\n y'", "&a &b c", "!!str\n", "a: !x &y\n- z", "{a, b: , : c}", "\r\n\r- a\r",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		docs, err := Parse("f.yaml", []byte(text))
		problems := AsProblems(err)
		for _, d := range docs {
			var into gatewayFile
			problems = append(problems, d.Decode(&into, testEnv)...)
			problems = append(problems, d.Problem("services.web.timeout", "m", ""))
			var plain any
			problems = append(problems, d.Decode(&plain, Options{Verbatim: true})...)
		}
		if err != nil && len(problems) == 0 {
			t.Fatalf("an error without a problem: %v", err)
		}
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 || p.Column > utf8.RuneCountInString(p.Source)+1 || p.Line > strings.Count(text, "\n")+strings.Count(text, "\r")+1 {
				t.Errorf("the place is outside the file: %v", p)
			}
		}
		_ = problems.Render(new(strings.Builder), true)
	})
}
