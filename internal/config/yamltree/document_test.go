package yamltree

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseSplitsDocuments(t *testing.T) {
	docs, err := Parse("f.yaml", []byte("\uFEFF# first\nkind: A\napiVersion: v1\n---\n---\n# nothing\n---\nkind: B\n...\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range docs {
		got = append(got, d.APIVersion()+" "+d.Kind())
	}
	if diff := cmp.Diff([]string{"v1 A", " B"}, got); diff != "" {
		t.Error(diff)
	}
	if line, column := docs[1].Position("kind"); line != 8 || column != 7 {
		t.Errorf("kind of the second document is at %d:%d, want 8:7", line, column)
	}
}

func TestParseRefusesWhatItCannotHold(t *testing.T) {
	laughs := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 9; i++ {
		laughs += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), i-1)
	}
	blocks := ""
	for i := range DepthMax + 2 {
		blocks += strings.Repeat(" ", i) + "a:\n"
	}
	tests := []struct{ name, yaml, want string }{
		{"open bracket", "a: [1", "f.yaml:1:4: not valid YAML: sequence end token ']' not found"},
		{"tab", "a:\n\tb: 1", "f.yaml:2:1: not valid YAML: found character '\uFFFD' that cannot start any token"},
		{"bare variable", "a: {b: ${C}}", "f.yaml:1:9: not valid YAML: ',' or '}' must be specified; put quotes around a value with a variable: \"${NAME}\""},
		{"open quote", "a: \"x", "f.yaml:1:4: not valid YAML: could not find end character of double-quoted text"},
		{"unknown alias", "a: *b", "f.yaml:1:4: no anchor &b stands before this alias"},
		{"alias of itself", "a: &a [*a]", "f.yaml:1:8: no anchor &a stands before this alias"},
		{"not UTF-8", "a: 1\nb: \xff", "f.yaml:2:1: the line is not valid UTF-8"},
		{"NUL", "a: \x00", "f.yaml:1:4: the line has a NUL character"},
		{"too large", strings.Repeat(" ", BytesMax+1), "f.yaml:1:1: the file has more than 4 MiB"},
		{"too many documents", strings.Repeat("---\na\n", DocumentsMax+1), "f.yaml:2001:1: the file has more than 1000 documents"},
		{"too deep in brackets", strings.Repeat("[", 50_000), "f.yaml:1:65: nested more than 64 levels deep"},
		{"too deep in lists", strings.Repeat("- ", 40_000), "f.yaml:1:129: nested more than 64 levels deep"},
		{"too deep in maps", blocks, "f.yaml:65:66: nested more than 64 levels deep"},
		{"too many values", "[" + strings.Repeat("a,", TokensMax) + "]", "f.yaml:1:100001: the file has more than 100000 values"},
		{"billion laughs", laughs, "f.yaml:4:9: aliases expand to more than 100000 values"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			docs, err := Parse("f.yaml", []byte(tt.yaml))
			if err == nil {
				t.Fatalf("accepted as %d documents", len(docs))
			}
			if err.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
		})
	}
}

func TestParseKeepsWhatIsJustWithinTheLimits(t *testing.T) {
	for name, text := range map[string]string{
		"documents": strings.Repeat("---\na\n", DocumentsMax),
		"depth":     strings.Repeat("[", DepthMax) + strings.Repeat("]", DepthMax),
	} {
		if _, err := Parse("f.yaml", []byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPositionFallsBackToTheNearestAncestor(t *testing.T) {
	doc := parseOne(t, `services:
  web:
    retry:
      attempts: 3
  "a.b": {port: 80}
http:
- route:
  - weight: 90
    host: [x]
  - weight: 10
`)
	tests := []struct {
		path, wantPath string
		line, column   int
	}{
		{"services.web.retry.attempts", "services.web.retry.attempts", 4, 17},
		{"services.web.retry", "services.web.retry", 3, 5},
		{"services.web.retry.budget.percent", "services.web.retry.budget.percent", 3, 5},
		{`services["a.b"].port`, `services["a.b"].port`, 5, 17},
		{`services["a.b"]`, `services["a.b"]`, 5, 10},
		{"http[0].route[1].weight", "http[0].route[1].weight", 10, 13},
		{"http[0].route[1]", "http[0].route[1]", 10, 5},
		{"http[0].route[7].weight", "http[0].route[7].weight", 7, 3},
		{"http[0].route[0].host[0]", "http[0].route[0].host[0]", 9, 12},
		{"nothing.here", "nothing.here", 1, 1},
		{"", "", 1, 1},
	}
	for _, tt := range tests {
		p := doc.Problem(tt.path, "m", "")
		if p.Line != tt.line || p.Column != tt.column || p.Path != tt.wantPath {
			t.Errorf("%s: got %d:%d %s, want %d:%d", tt.path, p.Line, p.Column, p.Path, tt.line, tt.column)
		}
	}
	p := doc.ProblemAt(Path{"services", "a.b", "x.y"}, "m", "f")
	if want := `f.yaml:5:3: services["a.b"]["x.y"]: m; f`; p.Error() != want {
		t.Errorf("got %s, want %s", p.Error(), want)
	}
}

// Every plain scalar and key of a file with all that YAML offers must stand
// where its node says.
func TestPositionsAgreeWithTheText(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "positions.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"LF": string(text), "CRLF": strings.ReplaceAll(string(text), "\n", "\r\n")} {
		docs, err := Parse("positions.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		lines, checked := strings.Split(text, "\n"), 0
		var walk func(n *Node)
		walk = func(n *Node) {
			if n.keyLine > 0 {
				checked++
				if rest := strings.TrimLeft(after(lines, n.keyLine, n.keyColumn), `"'`); !strings.HasPrefix(rest, n.key) {
					t.Errorf("%s: key %q is said to stand at %d:%d, where %q is", name, n.key, n.keyLine, n.keyColumn, rest)
				}
			}
			rest := strings.TrimPrefix(after(lines, n.line, n.column), "!!str ")
			if rest = strings.TrimLeft(rest, `"'`); n.kind.Scalar() && !strings.HasPrefix(rest, "|") && !strings.HasPrefix(rest, ">") {
				checked++
				if word, _, _ := strings.Cut(n.text, " "); !strings.HasPrefix(rest, word) {
					t.Errorf("%s: %s %q is said to stand at %d:%d, where %q is", name, n.Path(), n.text, n.line, n.column, rest)
				}
			}
			for _, e := range n.entries {
				walk(e)
			}
		}
		for _, d := range docs {
			walk(d.root)
		}
		if checked < 50 {
			t.Errorf("%s: only %d places checked", name, checked)
		}
	}
}

func after(lines []string, line, column int) string {
	if line < 1 || line > len(lines) {
		return ""
	}
	runes := []rune(lines[line-1])
	return string(runes[min(max(column-1, 0), len(runes)):])
}

func TestRenderShowsTheLineAndACaret(t *testing.T) {
	doc := parseOne(t, "listen: x\nservices:\n  web:\n    timeout: 5\n    prt:\t\t80\n")
	var into gatewayFile
	var b strings.Builder
	if err := doc.Decode(&into, testEnv).Render(&b, false); err != nil {
		t.Fatal(err)
	}
	want := `f.yaml:4:14: error: services.web.timeout: want a duration such as 500ms, got 5; write 5s
    4 |     timeout: 5
      |              ^
f.yaml:5:5: error: services.web.prt: unknown field; did you mean port?
    5 |     prt:		80
      |     ^
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestRenderIsBounded(t *testing.T) {
	long := Problem{File: "f", Line: 1, Column: 3000, Message: "m", Source: strings.Repeat("x", 5000) + "\x1b[2J"}
	var b strings.Builder
	if err := (Problems{long}).Render(&b, false); err != nil {
		t.Fatal(err)
	}
	if len(b.String()) > 500 {
		t.Errorf("one problem takes %d bytes", len(b.String()))
	}
	many := slices.Repeat(Problems{{File: "f", Message: "m", Source: "x"}}, 250)
	b.Reset()
	if err := many.Render(&b, true); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(b.String(), "^"); got != 100 || !strings.HasSuffix(b.String(), "and 150 more\n") {
		t.Errorf("%d problems shown", got)
	}
	if got := strings.Count(many.Error(), "\n"); got != 100 {
		t.Errorf("Error has %d line breaks", got)
	}
	b.Reset()
	escape := Problem{File: "f", Line: 1, Column: 1, Message: "m", Source: "a\x1b[2J"}
	if err := (Problems{escape}).Render(&b, false); err != nil || strings.Contains(b.String(), "\x1b") {
		t.Errorf("an escape sequence of the file reached the terminal: %q, %v", b.String(), err)
	}
}

func TestRenderShowsNoExcerptOfNothing(t *testing.T) {
	missing := Problems{{File: "f.yaml", Line: 1, Column: 1, Message: "cannot be read"}}
	var b strings.Builder
	if err := missing.Render(&b, false); err != nil || b.String() != "f.yaml:1:1: error: cannot be read\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func TestSuggestFindsTheNearestWord(t *testing.T) {
	words := []string{"retries", "route", "timeout", "perTryTimeout", "match"}
	for in, want := range map[string]string{
		"retriez": "retries", "reties": "retries", "timeuot": "timeout", "per_try_timeout": "perTryTimeout",
		"PERTRYTIMEOUT": "perTryTimeout", "x": "", "zzzzzzz": "", "": "",
	} {
		if got := Suggest(in, words); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestPathTextRoundTrips(t *testing.T) {
	for _, p := range []Path{{"a", "b"}, {"http", "0", "route", "12"}, {"a.b", "c[0]", "quo\"te"}, {"with space", ""}, nil} {
		if diff := cmp.Diff(p, ParsePath(p.String())); diff != "" {
			t.Errorf("%s: %s", p, diff)
		}
	}
}
