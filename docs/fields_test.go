package docs_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/config"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
	"github.com/afloat-dev/afloat/policy"
)

var update = flag.Bool("update", false, "write the tables of fields and of metrics anew")

// described are the structs that pages have tables of, with the defaults that
// the program itself fills in.
var described = map[string]any{
	"policy.BreakerConfig":        policy.BreakerConfig{}.WithDefaults(),
	"policy.RetryConfig":          policy.RetryConfig{}.WithDefaults(),
	"policy.BudgetConfig":         policy.BudgetConfig{}.WithDefaults(),
	"policy.TimeoutConfig":        policy.TimeoutConfig{}.WithDefaults(),
	"policy.RateLimitConfig":      policy.RateLimitConfig{Requests: 1}.WithDefaults(),
	"policy.KeyedRateLimitConfig": policy.KeyedRateLimitConfig{Requests: 1}.WithDefaults(),
	"policy.BulkheadConfig":       bulkheadDefaults(),
	"policy.AdaptiveConfig":       policy.AdaptiveConfig{}.WithDefaults(),
	"policy.CacheConfig":          policy.CacheConfig{}.WithDefaults(),
	"policy.ThrottleConfig":       policy.ThrottleConfig{}.WithDefaults(),
	"policy.HedgeConfig":          policy.HedgeConfig{}.WithDefaults(),
	"policy.FaultDelay":           policy.FaultConfig{}.WithDefaults().Delay,
	"policy.FaultAbort":           policy.FaultConfig{}.WithDefaults().Abort,
	"gateway.ListenerConfig":      gateway.ListenerConfig{}.WithDefaults(),
	"gateway.RouteConfig":         gateway.RouteConfig{},
	"gateway.MatchConfig":         gateway.MatchConfig{},
	"gateway.StringMatch":         gateway.StringMatch{},
	"gateway.DestinationConfig":   gateway.DestinationConfig{},
	"gateway.FallbackConfig":      gateway.FallbackConfig{},
	"gateway.ServiceConfig":       gateway.ServiceConfig{}.WithDefaults(),
	"gateway.OutlierConfig":       gateway.OutlierConfig{}.WithDefaults(),
	"gateway.HealthConfig":        gateway.HealthConfig{}.WithDefaults(),
	"supervise.Config":            supervise.Config{}.WithDefaults(),
	"supervise.ProbeConfig":       *supervise.Config{Liveness: &supervise.ProbeConfig{}}.WithDefaults().Liveness,
	"supervise.HTTPProbe":         *supervise.Config{Liveness: &supervise.ProbeConfig{HTTP: &supervise.HTTPProbe{}}}.WithDefaults().Liveness.HTTP,
	"supervise.RestartConfig":     supervise.Config{}.WithDefaults().Restart,
	"supervise.RollingConfig":     supervise.Config{}.WithDefaults().Rolling,
	"config.File":                 config.File{},
	"config.AdminConfig":          config.AdminConfig{},
	"config.AccessLogConfig":      config.AccessLogConfig{},
	"config.LogConfig":            config.LogConfig{},
}

// bulkheadDefaults are those of a bulkhead with a queue.
func bulkheadDefaults() policy.BulkheadConfig {
	c := policy.BulkheadConfig{QueueMax: 1}.WithDefaults()
	c.QueueMax = 0
	return c
}

// field is a line of a table.
type field struct{ name, fallback, meaning string }

var tables = regexp.MustCompile(`(?s)<!-- fields: ([A-Za-z.]+) -->\n(.*?)<!-- end -->`)

// TestTablesOfFieldsAreThoseOfTheCode holds each table against the struct and
// its comments. With -update it writes them.
func TestTablesOfFieldsAreThoseOfTheCode(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range pages(t) {
		text := tables.ReplaceAllStringFunc(p.text, func(whole string) string {
			name := tables.FindStringSubmatch(whole)[1]
			seen[name] = true
			if described[name] == nil {
				t.Errorf("%s: no struct %s is described", p.name, name)
				return whole
			}
			return fmt.Sprintf("<!-- fields: %s -->\n%s<!-- end -->", name, table(t, name))
		})
		settle(t, p, text)
	}
	for name := range described {
		if !seen[name] {
			t.Errorf("no page has a table of %s", name)
		}
	}
}

// settle compares a page with what it should be, or writes it.
func settle(t *testing.T, p page, want string) {
	t.Helper()
	switch {
	case p.text == want:
	case *update:
		if err := os.WriteFile(filepath.Join(root, p.name), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s: a table differs from the code; run go test ./docs -update", p.name)
	}
}

func table(t *testing.T, name string) string {
	var out strings.Builder
	out.WriteString("| Field | Default | Meaning |\n|---|---|---|\n")
	for _, f := range fieldsOf(t, name) {
		fmt.Fprintf(&out, "| `%s` | %s | %s |\n", f.name, f.fallback, strings.ReplaceAll(f.meaning, "|", `\|`))
	}
	return out.String()
}

// TestDefaultsInCommentsAreThoseOfTheCode holds what comments, and so the
// tables, say of a default against what the program fills in.
func TestDefaultsInCommentsAreThoseOfTheCode(t *testing.T) {
	compared := 0
	for name, value := range described {
		v := reflect.ValueOf(value)
		for _, f := range fieldsOf(t, name) {
			got := fieldNamed(v, f.name)
			if !got.IsValid() || got.IsZero() || strings.Contains(f.fallback, "`") || f.fallback == "required" {
				continue
			}
			switch got.Kind() {
			case reflect.Struct, reflect.Pointer, reflect.Slice, reflect.Interface:
				continue
			}
			compared++
			if !says(f.fallback, got.Interface()) {
				t.Errorf("%s.%s: the comment says %q, the code %v", name, f.name, f.fallback, got)
			}
		}
	}
	if compared < 50 {
		t.Errorf("compared %d defaults, want more", compared)
	}
}

func fieldNamed(v reflect.Value, name string) reflect.Value {
	for i := range v.NumField() {
		if tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ","); tag == name {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// says reports whether a default in words begins with the value.
func says(words string, v any) bool {
	first, _, _ := strings.Cut(words, " ")
	if d, ok := v.(time.Duration); ok {
		said, err := time.ParseDuration(strings.TrimRight(first, ",;"))
		return err == nil && said == d
	}
	if bytes, ok := v.(int64); ok && strings.Contains(words, " MiB") {
		return first == fmt.Sprint(bytes>>20)
	}
	return strings.HasPrefix(strings.TrimLeft(words, `"`), fmt.Sprint(v))
}

// fieldsOf reads a struct's fields and their comments.
func fieldsOf(t *testing.T, name string) []field {
	t.Helper()
	folder, structName, _ := strings.Cut(name, ".")
	if folder != "policy" {
		folder = "internal/" + folder
	}
	files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no Go files: %v", folder, err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := structNamed(parsed, structName); ok {
			return readFields(s)
		}
	}
	t.Fatalf("%s has no struct %s", folder, structName)
	return nil
}

func structNamed(file *ast.File, name string) (*ast.StructType, bool) {
	o := file.Scope.Lookup(name)
	if o == nil {
		return nil, false
	}
	spec, ok := o.Decl.(*ast.TypeSpec)
	if !ok {
		return nil, false
	}
	s, ok := spec.Type.(*ast.StructType)
	return s, ok
}

func readFields(s *ast.StructType) []field {
	yamlNames := map[string]string{}
	for _, f := range s.Fields.List {
		if len(f.Names) == 1 {
			yamlNames[f.Names[0].Name] = yamlName(f)
		}
	}
	var out []field
	for _, f := range s.Fields.List {
		if name := yamlName(f); name != "" && name != "-" && len(f.Names) == 1 {
			fallback, meaning := explain(f.Names[0].Name, comments(f), yamlNames)
			out = append(out, field{name, fallback, meaning})
		}
	}
	return out
}

func yamlName(f *ast.Field) string {
	if f.Tag == nil {
		return ""
	}
	name, _, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("yaml"), ",")
	return name
}

func comments(f *ast.Field) string {
	return strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()), " ")
}

var (
	defaultSentence = regexp.MustCompile(`(?:^|[;,]? )[Dd]efault:? (.+?)(?:\. |\.$|$)`)
	required        = regexp.MustCompile(` ?Required\.`)
	leadingVerb     = regexp.MustCompile(`^(is|are) `)
	docLink         = regexp.MustCompile(`\[([A-Za-z.]+)\]`)
)

// explain splits a comment into the default and the meaning, both in words of
// YAML rather than Go.
func explain(name, comment string, yamlNames map[string]string) (fallback, meaning string) {
	meaning = comment
	if m := defaultSentence.FindStringSubmatchIndex(meaning); m != nil {
		fallback = meaning[m[2]:m[3]]
		before, after := meaning[:m[0]], meaning[m[1]:]
		if before != "" && !strings.HasSuffix(before, ".") {
			before += "."
		}
		meaning = strings.TrimSpace(before + " " + after)
	} else if required.MatchString(meaning) {
		fallback, meaning = "required", required.ReplaceAllString(meaning, "")
	}
	if rest, ok := strings.CutPrefix(meaning, name+" "); ok && !strings.HasPrefix(rest, "of ") && !strings.HasPrefix(rest, "with ") && !strings.HasPrefix(rest, "to ") {
		meaning = leadingVerb.ReplaceAllString(rest, "")
	} else {
		meaning = strings.ToLower(meaning[:min(1, len(meaning))]) + meaning[min(1, len(meaning)):]
	}
	if meaning != "" {
		meaning = strings.ToUpper(meaning[:1]) + meaning[1:]
	}
	for goName, name := range yamlNames {
		word := regexp.MustCompile(`\b` + goName + `\b`)
		fallback = word.ReplaceAllString(fallback, "`"+name+"`")
		if len(meaning) > 1 {
			meaning = meaning[:1] + word.ReplaceAllString(meaning[1:], "`"+name+"`")
			meaning = strings.ReplaceAll(meaning, "`"+name+"` header", goName+" header") // HTTP's, not the field
		}
	}
	return fallback, docLink.ReplaceAllString(meaning, "$1")
}
