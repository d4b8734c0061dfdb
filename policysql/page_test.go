package policysql

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestPageTellsEveryField holds the table of docs/policysql.md against the code.
func TestPageTellsEveryField(t *testing.T) {
	text, err := os.ReadFile("../docs/policysql.md")
	if err != nil {
		t.Fatal(err)
	}
	defaults := map[string]string{"Policies": "none", "Classify": "`Classify`"}
	for i := range reflect.TypeFor[Config]().NumField() {
		name := reflect.TypeFor[Config]().Field(i).Name
		if row := "| `" + name + "` | " + defaults[name] + " |"; !strings.Contains(string(text), row) {
			t.Errorf("no row begins with %s", row)
		}
	}
	if (Config{}).WithDefaults().Classify == nil {
		t.Error("there is no default of Classify")
	}
}
