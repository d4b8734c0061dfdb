package docs_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/afloat-dev/afloat/internal/config"
)

// frames are what makes a whole file of a fragment; the fragment is put, moved
// to the right, in the place of its line of dots.
var frames = map[string]string{
	"route":    "services: {web: {endpoints: [127.0.0.1:9001]}}\nroutes:\n  - to: [{service: web}]\n    ...\n",
	"routes":   "services: {web: {endpoints: [127.0.0.1:9001]}, api: {endpoints: [127.0.0.1:9002]}, next: {endpoints: [127.0.0.1:9003]}}\n...\n",
	"service":  "services:\n  web:\n    endpoints: [127.0.0.1:9001, 127.0.0.1:9002]\n    ...\n",
	"services": "...\n",
	"process":  "services:\n  web:\n    process:\n      command: [/bin/web]\n      ...\n",
	"top":      "services: {web: {endpoints: [127.0.0.1:9001]}}\n...\n",
}

func framed(t *testing.T, b block) string {
	place, ok := b.marks["fragment"]
	if !ok {
		return b.text
	}
	frame, ok := frames[place]
	if !ok {
		t.Fatalf("%s:%d: there is no frame for a fragment of %q", b.page, b.line, place)
	}
	var out strings.Builder
	for line := range strings.Lines(frame) {
		if strings.TrimSpace(line) != "..." {
			out.WriteString(line)
			continue
		}
		indent := line[:strings.Index(line, "...")]
		for line := range strings.Lines(b.text) {
			out.WriteString(indent + line)
		}
	}
	return out.String()
}

// environment is what pages take from it.
func environment(name string) (value string, set bool) {
	if name == "AFLOAT_TOKEN" {
		return "a-secret", true
	}
	return "", false
}

func TestYAMLLoads(t *testing.T) {
	each(t, "yaml", func(t *testing.T, b block) {
		o := config.Options{Env: environment}
		if u := b.marks["upstream"]; u != "" {
			o.Upstreams = strings.Fields(u)
		}
		text := framed(t, b)
		_, problems := config.Assemble([]config.Source{{Name: b.page, Data: []byte(text)}}, o)
		var said bytes.Buffer
		problems.Render(&said, false)
		if refused, ok := b.marks["refused"]; ok {
			if problems.Err() == nil || !strings.Contains(said.String(), refused) {
				t.Errorf("want it refused with %q, got:\n%s", refused, said.String())
			}
			return
		}
		if len(problems) > 0 && !b.has("warned") || problems.Err() != nil {
			t.Errorf("%s\n%s", said.String(), text)
		}
	})
}

func TestFilesSayTheSame(t *testing.T) {
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			name, ok := b.marks["same"]
			if !ok {
				continue
			}
			want, err := os.ReadFile(filepath.Join(root, name))
			if err != nil {
				t.Error(err)
			} else if b.text != string(want) {
				t.Errorf("%s:%d: differs from %s", b.page, b.line, name)
			}
		}
	}
}

func TestJSONParses(t *testing.T) {
	each(t, "json", func(t *testing.T, b block) {
		d := json.NewDecoder(strings.NewReader(b.text))
		for d.More() {
			var v any
			if err := d.Decode(&v); err != nil {
				t.Fatal(err)
			}
		}
	})
}
