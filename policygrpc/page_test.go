package policygrpc

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestPageTellsEveryFieldAndDefault holds the tables of docs/policygrpc.md
// against the code.
func TestPageTellsEveryFieldAndDefault(t *testing.T) {
	text, err := os.ReadFile("../docs/policygrpc.md")
	if err != nil {
		t.Fatal(err)
	}
	c, s := ClientConfig{}.WithDefaults(), ServerConfig{}.WithDefaults()
	none := func(name string) string {
		return "`" + name + "`; `" + NoHeader + "`: none"
	}
	client, server, found := strings.Cut(string(text), "\n## Server\n")
	if !found {
		t.Fatal("no heading Server")
	}
	for _, section := range []struct {
		text     string
		config   any
		defaults map[string]string
	}{
		{client, ClientConfig{}, map[string]string{
			"TimeoutMargin":  fmt.Sprintf("%v; negative: none", c.TimeoutMargin),
			"AttemptHeader":  none(c.AttemptHeader),
			"PriorityHeader": none(c.PriorityHeader),
		}},
		{server, ServerConfig{}, map[string]string{
			"AttemptHeader":  none(s.AttemptHeader),
			"PriorityHeader": none(s.PriorityHeader),
			"TrustPriority":  fmt.Sprint(s.TrustPriority),
		}},
	} {
		for i := range reflect.TypeOf(section.config).NumField() {
			name := reflect.TypeOf(section.config).Field(i).Name
			if row := "| `" + name + "` | " + section.defaults[name]; !strings.Contains(section.text, row) {
				t.Errorf("%T: no row begins with %s", section.config, row)
			}
		}
	}
}
