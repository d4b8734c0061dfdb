package docs_test

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/afloat-dev/afloat/policy"
	"github.com/afloat-dev/afloat/policygrpc"
	"github.com/afloat-dev/afloat/policyhttp"
	"github.com/afloat-dev/afloat/policyotel"
	"github.com/afloat-dev/afloat/policyprometheus"
	"github.com/afloat-dev/afloat/policysql"
)

var goTables = regexp.MustCompile(`(?s)<!-- in Go: ([A-Za-z0-9./]+) -->\n(.*?)<!-- end -->`)

// ofPolicy is a link to another name of the package, quoted if a field has it, too.
var ofPolicy = regexp.MustCompile("\\[`?([A-Z][A-Za-z.]+)`?\\]")

// TestTablesOfFieldsInGoAreThoseOfTheCode holds the tables of the fields that no
// configuration file has. With -update it writes them.
func TestTablesOfFieldsInGoAreThoseOfTheCode(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range pages(t) {
		text := goTables.ReplaceAllStringFunc(p.text, func(whole string) string {
			name := goTables.FindStringSubmatch(whole)[1]
			seen[name] = true
			return fmt.Sprintf("<!-- in Go: %s -->\n%s<!-- end -->", name, goTable(t, name))
		})
		settle(t, p, text)
	}
	for name := range described {
		if strings.HasPrefix(name, "policy.") && len(goFields(structOf(t, name))) > 0 && !seen[name] {
			t.Errorf("no page has a table of what %s has in Go only", name)
		}
	}
}

func goTable(t *testing.T, name string) string {
	var out strings.Builder
	out.WriteString("| In Go only | Default | Meaning |\n|---|---|---|\n")
	for _, f := range goFields(structOf(t, name)) {
		fmt.Fprintf(&out, "| `%s` | %s | %s |\n", f.name, cmp.Or(f.fallback, "none"), strings.ReplaceAll(f.meaning, "|", `\|`))
	}
	return out.String()
}

// goFields are the fields of a policy's Config that YAML has no name for.
func goFields(s *ast.StructType) (out []field) {
	names := map[string]string{}
	for _, f := range s.Fields.List {
		for _, name := range f.Names {
			names[name.Name] = name.Name
		}
	}
	for _, f := range s.Fields.List {
		if len(f.Names) == 1 && yamlName(f) == "-" {
			name := f.Names[0].Name
			fallback, meaning := explain(name, comments(f), names)
			out = append(out, field{name, ofPolicy.ReplaceAllString(fallback, "`policy.$1`"), meaning})
		}
	}
	return out
}

// TestPagesNameEachFieldOfTheAdapters holds the tables that are written by hand.
func TestPagesNameEachFieldOfTheAdapters(t *testing.T) {
	for page, configs := range map[string][]any{
		"docs/fallback.md":         {policy.FallbackConfig{}},
		"docs/policyhttp.md":       {policyhttp.TransportConfig{}, policyhttp.HandlerConfig{}},
		"docs/policygrpc.md":       {policygrpc.ClientConfig{}, policygrpc.ServerConfig{}},
		"docs/policysql.md":        {policysql.Config{}},
		"docs/policy-telemetry.md": {policyotel.SpansConfig{}, policyprometheus.DurationsConfig{}},
	} {
		text := pageNamed(t, page)
		for _, c := range configs {
			for _, f := range reflect.VisibleFields(reflect.TypeOf(c)) {
				if f.IsExported() && !strings.Contains(text, "`"+f.Name+"`") {
					t.Errorf("%s does not name %T.%s", page, c, f.Name)
				}
			}
		}
	}
}

func pageNamed(t *testing.T, name string) string {
	t.Helper()
	all := pages(t)
	i := slices.IndexFunc(all, func(p page) bool { return p.name == name })
	if i < 0 {
		t.Fatalf("there is no page %s", name)
	}
	return all[i].text
}

// TestNegativeNumbersAreRefusedOrExplained sets each number of a policy's Config
// to less than nothing: either it is refused by name, or its line says what it
// means.
func TestNegativeNumbersAreRefusedOrExplained(t *testing.T) {
	refused := 0
	for name, value := range described {
		if !strings.HasPrefix(name, "policy.") {
			continue
		}
		lines := fieldsOf(t, name)
		for i := range reflect.TypeOf(value).NumField() {
			v := reflect.New(reflect.TypeOf(value)).Elem()
			v.Set(reflect.ValueOf(value))
			switch f := v.Field(i); {
			case f.CanInt():
				f.SetInt(-1)
			case f.CanFloat():
				f.SetFloat(-1)
			default:
				continue
			}
			yaml, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
			valid, ok := v.Interface().(interface{ Validate() error })
			if !ok {
				continue // a part of another, which checks it
			}
			if refuses(valid.Validate(), yaml) {
				refused++
				continue
			}
			at := slices.IndexFunc(lines, func(f field) bool { return f.name == yaml })
			if at < 0 || !strings.Contains(strings.ToLower(lines[at].fallback+lines[at].meaning), "negative") {
				t.Errorf("%s.%s: a negative number is taken, and the page does not say what for", name, yaml)
			}
		}
	}
	if refused < 20 {
		t.Errorf("only %d fields refuse a negative number", refused)
	}
}

func refuses(err error, field string) bool {
	joined, ok := err.(interface{ Unwrap() []error })
	return ok && slices.ContainsFunc(joined.Unwrap(), func(e error) bool {
		problem, ok := errors.AsType[*policy.FieldError](e)
		return ok && problem.Field == field
	})
}
