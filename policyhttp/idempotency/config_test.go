package idempotency

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

func fieldsOf(err error) (fields []string) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	for _, e := range joined.Unwrap() {
		if f, ok := errors.AsType[*policy.FieldError](e); ok {
			fields = append(fields, f.Field)
		}
	}
	return fields
}

func TestConfigTellsEveryProblem(t *testing.T) {
	_, err := NewHandler(nil, Config{Methods: []string{""}, Wait: 48 * time.Hour, WaitingMax: -1, Lease: -1, KeepFor: -1, BodyMax: -1, AnswerMax: -1})
	if got, want := fieldsOf(err), []string{"store", "methods", "wait", "waitingMax", "lease", "keepFor", "bodyMax", "answerMax"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	_, err = NewMemory(MemoryConfig{EntriesMax: -1, BytesMax: -1})
	if got, want := fieldsOf(err), []string{"entriesMax", "bytesMax"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestPageTellsEveryFieldAndDefault holds the tables of docs/idempotency.md
// against the code.
func TestPageTellsEveryFieldAndDefault(t *testing.T) {
	text, err := os.ReadFile("../../docs/idempotency.md")
	if err != nil {
		t.Fatal(err)
	}
	c, m := Config{}.WithDefaults(), MemoryConfig{}.WithDefaults()
	defaults := map[string]string{
		"Methods":    strings.Join(c.Methods, " and "),
		"Required":   fmt.Sprint(c.Required),
		"Wait":       fmt.Sprintf("%v; negative: not at all", c.Wait),
		"WaitingMax": fmt.Sprint(c.WaitingMax),
		"Lease":      strings.TrimSuffix(fmt.Sprint(c.Lease), "0s"),
		"KeepFor":    strings.TrimSuffix(fmt.Sprint(c.KeepFor), "0m0s"),
		"BodyMax":    fmt.Sprintf("%d MiB", c.BodyMax>>20),
		"AnswerMax":  fmt.Sprintf("%d MiB", c.AnswerMax>>20),
		"EntriesMax": fmt.Sprint(m.EntriesMax),
		"BytesMax":   fmt.Sprintf("%d MiB", m.BytesMax>>20),
	}
	for _, config := range []any{Config{}, MemoryConfig{}} {
		for i := range reflect.TypeOf(config).NumField() {
			name := reflect.TypeOf(config).Field(i).Name
			if row := "| `" + name + "` | " + defaults[name]; !strings.Contains(string(text), row) {
				t.Errorf("%T: no row begins with %s", config, row)
			}
		}
	}
}

func TestImportsNothingButTheStandardLibraryAndPolicy(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/afloat-dev/afloat/"
	if got, want := strings.Fields(string(out)), []string{module + "policy", module + "policyhttp/idempotency"}; !slices.Equal(got, want) {
		t.Errorf("imports %v, want %v", got, want)
	}
}
