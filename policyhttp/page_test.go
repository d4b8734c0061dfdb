package policyhttp

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestPageTellsEveryFieldAndDefault holds the tables of docs/policyhttp.md
// against the code.
func TestPageTellsEveryFieldAndDefault(t *testing.T) {
	text, err := os.ReadFile("../docs/policyhttp.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	c := TransportConfig{}.WithDefaults()
	defaults := map[string]string{
		"BodyMax":         fmt.Sprintf("%d KiB; negative: none", c.BodyMax>>10),
		"TimeoutMargin":   fmt.Sprintf("%v; negative: none", c.TimeoutMargin),
		"AttemptHeader":   "`" + c.AttemptHeader + "`; `" + NoHeader + "`: none",
		"TimeoutHeader":   "`" + c.TimeoutHeader + "`; `" + NoHeader + "`: none",
		"PriorityHeader":  "`" + c.PriorityHeader + "`; `" + NoHeader + "`: none",
		"TrustPriority":   fmt.Sprint(HandlerConfig{}.WithDefaults().TrustPriority),
		"IdempotencyKeys": fmt.Sprint(c.IdempotencyKeys),
		"Advertise":       fmt.Sprint(HandlerConfig{}.WithDefaults().Advertise),
	}
	transport, handler, found := strings.Cut(page, "\n## Handler\n")
	if !found {
		t.Fatal("no heading Handler")
	}
	for _, section := range []struct {
		text   string
		config any
	}{{transport, TransportConfig{}}, {handler, HandlerConfig{}}} {
		for i := range reflect.TypeOf(section.config).NumField() {
			name := reflect.TypeOf(section.config).Field(i).Name
			if row := "| `" + name + "` | " + defaults[name]; !strings.Contains(section.text, row) {
				t.Errorf("%T: no row begins with %s", section.config, row)
			}
		}
	}
}
