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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/alert"
	"github.com/afloat-dev/afloat/internal/config"
	"github.com/afloat-dev/afloat/internal/control/judge"
	"github.com/afloat-dev/afloat/internal/control/rollout"
	"github.com/afloat-dev/afloat/internal/control/scale"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal/trace"
	"github.com/afloat-dev/afloat/internal/signal/tsdb"
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
	"policy.KeyedBreakerConfig":   policy.KeyedBreakerConfig{}.WithDefaults(),
	"policy.LastGoodConfig":       policy.LastGoodConfig{}.WithDefaults(),
	"policy.SingleflightConfig":   policy.SingleflightConfig{}.WithDefaults(),
	"policy.ThrottleConfig":       policy.ThrottleConfig{}.WithDefaults(),
	"policy.HedgeConfig":          policy.HedgeConfig{}.WithDefaults(),
	"policy.FaultConfig":          policy.FaultConfig{}.WithDefaults(),
	"policy.FaultDelay":           policy.FaultConfig{}.WithDefaults().Delay,
	"policy.FaultAbort":           policy.FaultConfig{}.WithDefaults().Abort,

	"gateway.CORSConfig":            gateway.CORSConfig{},
	"gateway.HTTP3Config":           gateway.HTTP3Config{}.WithDefaults(),
	"gateway.ListenerConfig":        gateway.ListenerConfig{}.WithDefaults(),
	"gateway.TransparentConfig":     gateway.TransparentConfig{}.WithDefaults(),
	"gateway.TCPConfig":             gateway.TCPConfig{}.WithDefaults(),
	"gateway.TLSConfig":             gateway.TLSConfig{},
	"gateway.CertificateConfig":     gateway.CertificateConfig{},
	"gateway.ExternalAccountConfig": gateway.ExternalAccountConfig{},
	"gateway.ACMEConfig":            gateway.ACMEConfig{}.WithDefaults(),
	"gateway.UpstreamTLSConfig":     gateway.UpstreamTLSConfig{},
	"gateway.RouteConfig":           gateway.RouteConfig{},
	"gateway.MatchConfig":           gateway.MatchConfig{},
	"gateway.StringMatch":           gateway.StringMatch{},
	"gateway.DestinationConfig":     gateway.DestinationConfig{},
	"gateway.KeyConfig":             gateway.KeyConfig{},
	"gateway.FaultConfig":           gateway.FaultConfig{FaultConfig: policy.FaultConfig{}.WithDefaults()},
	"gateway.IdempotencyConfig":     gateway.IdempotencyConfig{}.WithDefaults(),
	"gateway.MemoryConfig":          gateway.MemoryConfig{}.WithDefaults(),
	"gateway.CacheConfig":           gateway.CacheConfig{}.WithDefaults(),
	"gateway.FaultBody":             gateway.FaultBody{},
	"gateway.AccessConfig":          gateway.AccessConfig{},
	"gateway.HeaderEdits":           gateway.HeaderEdits{},
	"gateway.RewriteConfig":         gateway.RewriteConfig{},
	"gateway.RegexRewrite":          gateway.RegexRewrite{},
	"gateway.RedirectConfig":        gateway.RedirectConfig{},
	"gateway.MirrorConfig":          gateway.MirrorConfig{}.WithDefaults(),
	"gateway.StickyConfig":          gateway.StickyConfig{}.WithDefaults(),
	"gateway.FallbackConfig":        gateway.FallbackConfig{},
	"gateway.ServiceConfig":         gateway.ServiceConfig{}.WithDefaults(),
	"gateway.EndpointConfig":        gateway.EndpointConfig{}.WithDefaults(),
	"gateway.HashConfig":            gateway.ServiceConfig{}.WithDefaults().Hash,
	"gateway.OutlierConfig":         gateway.OutlierConfig{}.WithDefaults(),
	"gateway.HealthConfig":          gateway.HealthConfig{}.WithDefaults(),

	"supervise.Config":          supervise.Config{}.WithDefaults(),
	"supervise.ProbeConfig":     *supervise.Config{Liveness: &supervise.ProbeConfig{}}.WithDefaults().Liveness,
	"supervise.HTTPProbe":       *supervise.Config{Liveness: &supervise.ProbeConfig{HTTP: &supervise.HTTPProbe{}}}.WithDefaults().Liveness.HTTP,
	"supervise.GRPCProbe":       supervise.GRPCProbe{},
	"supervise.LogConfig":       *supervise.Config{Log: &supervise.LogConfig{}}.WithDefaults().Log,
	"supervise.PreStopConfig":   supervise.PreStopConfig{},
	"supervise.RestartConfig":   supervise.Config{}.WithDefaults().Restart,
	"supervise.RollingConfig":   supervise.Config{}.WithDefaults().Rolling,
	"supervise.BudgetConfig":    supervise.BudgetConfig{},
	"supervise.LimitsConfig":    supervise.LimitsConfig{},
	"supervise.ResourcesConfig": supervise.ResourcesConfig{},

	"control/rollout.Config":     rollout.Config{},
	"control/rollout.StepConfig": rollout.StepConfig{},
	"control/rollout.HookConfig": rollout.Config{Hooks: []rollout.HookConfig{{}}}.WithDefaults().Hooks[0],
	"gateway.SplitSticky":        gateway.SplitSticky{},
	"control/judge.Config":       judge.Config{}.WithDefaults(),
	"control/judge.Quantile":     judge.Config{}.WithDefaults().Latency[0],
	"control/judge.Series":       judge.Series{},
	"control/judge.Compare":      *judge.Config{Series: []judge.Series{{Compare: &judge.Compare{}}}}.WithDefaults().Series[0].Compare,

	"control/scale.Config": scale.Config{}.WithDefaults(),
	"control/scale.Metric": scale.Metric{},
	"control/scale.Rules":  scale.Rules{},
	"control/scale.Policy": scale.Policy{},

	"signal/trace.Config": trace.Config{}.WithDefaults(),

	"config.TracingConfig":   config.TracingConfig{},
	"alert.Config":           alert.Config{}.WithDefaults(),
	"alert.TierConfig":       alert.Config{}.WithDefaults().P0,
	"alert.OutageConfig":     alert.OutageConfig{}.WithDefaults(),
	"alert.FlapConfig":       alert.FlapConfig{}.WithDefaults(),
	"alert.ReceiverConfig":   alert.ReceiverConfig{},
	"alert.SlackConfig":      alert.SlackConfig{},
	"alert.EmailConfig":      alert.EmailConfig{},
	"alert.OpsgenieConfig":   alert.OpsgenieConfig{},
	"alert.PagerDutyConfig":  alert.PagerDutyConfig{},
	"alert.TelegramConfig":   alert.TelegramConfig{},
	"alert.ObjectiveConfig":  alert.ObjectiveConfig{}.WithDefaults(),
	"config.File":            config.File{},
	"config.SidecarConfig":   config.SidecarConfig{},
	"config.AdminConfig":     config.AdminConfig{},
	"config.AccessLogConfig": config.AccessLogConfig{},
	"config.LogConfig":       config.LogConfig{},

	"signal/tsdb.Config":            tsdb.Config{}.WithDefaults(),
	"signal/tsdb.QueryConfig":       tsdb.Config{}.WithDefaults().Query,
	"signal/tsdb.RemoteWriteConfig": tsdb.RemoteWriteConfig{}.WithDefaults(),

	"config.SupervisorConfig": config.SupervisorConfig{},

	"config.OIDCConfig": config.OIDCConfig{},
}

// bulkheadDefaults are those of a bulkhead with a queue.
func bulkheadDefaults() policy.BulkheadConfig {
	c := policy.BulkheadConfig{QueueMax: 1}.WithDefaults()
	c.QueueMax = 0
	return c
}

// field is a line of a table.
type field struct{ name, fallback, meaning string }

var tables = regexp.MustCompile(`(?s)<!-- fields: ([A-Za-z0-9./]+)((?: [A-Za-z]+)*) -->\n(.*?)<!-- end -->`)

// TestTablesOfFieldsAreThoseOfTheCode holds each table against the struct and
// its comments. With -update it writes them.
func TestTablesOfFieldsAreThoseOfTheCode(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range pages(t) {
		text := tables.ReplaceAllStringFunc(p.text, func(whole string) string {
			found := tables.FindStringSubmatch(whole)
			name, only := found[1], found[2]
			seen[name] = true
			if described[name] == nil {
				t.Errorf("%s: no struct %s is described", p.name, name)
				return whole
			}
			return fmt.Sprintf("<!-- fields: %s%s -->\n%s<!-- end -->", name, only, table(t, name, strings.Fields(only)))
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

// table has only the fields named, or all.
func table(t *testing.T, name string, only []string) string {
	var out strings.Builder
	out.WriteString("| Field | Default | Meaning |\n|---|---|---|\n")
	for _, f := range fieldsOf(t, name) {
		if len(only) > 0 && !slices.Contains(only, f.name) {
			continue
		}
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
	return readFields(structOf(t, name))
}

func structOf(t *testing.T, name string) *ast.StructType {
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
			return s
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
		if name == "-" {
			name = goName
		}
		word := regexp.MustCompile(`\b` + goName + `\b`)
		fallback = word.ReplaceAllString(fallback, "`"+name+"`")
		if len(meaning) > 1 {
			meaning = meaning[:1] + word.ReplaceAllString(meaning[1:], "`"+name+"`")
			meaning = strings.ReplaceAll(meaning, "`"+name+"` header", goName+" header") // HTTP's, not the field
		}
	}
	return fallback, docLink.ReplaceAllString(meaning, "$1")
}
