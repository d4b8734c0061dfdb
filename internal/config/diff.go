package config

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/control/scale"
	"github.com/afloat-dev/afloat/internal/gateway"
)

// changesMax bounds what one Diff lists.
const changesMax = 100

// Diff says in words what changed since an old assembly, in a fixed order; nil
// where nothing did. Without an old one everything is new.
func (a *Assembly) Diff(old *Assembly) []string {
	if old == nil {
		old = new(Assembly)
	}
	before, after := old.parts(), a.parts()
	var out []string
	for _, name := range slices.Sorted(maps.Keys(union(before, after))) {
		was, now := before[name], after[name]
		switch {
		case was == nil:
			out = append(out, name+" added")
		case now == nil:
			out = append(out, name+" removed")
		default:
			out = append(out, changes(name, was, now)...)
		}
	}
	if slices.Equal(slices.Sorted(slices.Values(old.routeNames())), slices.Sorted(slices.Values(a.routeNames()))) &&
		!slices.Equal(old.routeNames(), a.routeNames()) {
		out = append(out, "routes stand in another order")
	}
	if len(out) > changesMax {
		out = append(out[:changesMax:changesMax], fmt.Sprintf("and %d more changes", len(out)-changesMax))
	}
	return out
}

func (a *Assembly) routeNames() []string {
	var names []string
	for i, r := range a.Gateway.Routes {
		name := r.Name
		if name == "" {
			name = fmt.Sprint(i + 1)
		}
		names = append(names, name)
	}
	return names
}

// parts are the settings of each part of the assembly, by its name in words.
func (a *Assembly) parts() map[string]map[string]string {
	out := map[string]map[string]string{}
	add := func(name string, value any) {
		leaves := map[string]string{}
		collect(reflect.ValueOf(value), "", leaves)
		out[name] = leaves
	}
	for _, l := range a.Gateway.Listeners {
		add("listener "+l.Address, l)
	}
	for i, name := range a.routeNames() {
		add("route "+name, a.Gateway.Routes[i])
	}
	for name, s := range a.Gateway.Services {
		add("service "+name, s)
	}
	for _, p := range a.Processes {
		add("process "+p.Name, p)
	}
	for name, c := range a.Scaling {
		add("scaling of "+name, c)
		if c.Requests != (scale.Usage{}) {
			out["scaling of "+name]["requests"] = fmt.Sprintf("%g CPUs, %g bytes", c.Requests.CPU, c.Requests.Memory)
		}
	}
	for name, c := range a.Releases {
		add("release "+name, c)
	}
	if a.Admin.Address == "" {
		return out // of no assembly
	}
	add("admin", a.Admin)
	if a.Admin.Token != "" {
		out["admin"]["token"] = string(a.Admin.Token) // compared, never shown
	}
	if a.Admin.ReadToken != "" {
		out["admin"]["readToken"] = string(a.Admin.ReadToken)
	}
	alerts, contents := a.alertsPart()
	add("alerts", alerts)
	out["alerts"]["contents"] = contents // compared, never shown
	for name, o := range a.Alerts.Objectives {
		add("objective "+name, o)
	}
	add("access log", a.AccessLog)
	if a.Tracing != nil {
		add("tracing", a.Tracing.Config)
		for name, value := range a.Tracing.Headers {
			out["tracing"]["headers."+name] = string(value) // compared, never shown
		}
	}
	add("log", a.Log)
	add("supervisor", a.Supervisor)
	add("metrics", a.Metrics)
	add("data", struct {
		Folder string `yaml:"folder"`
	}{a.Data})
	add("gateway", struct {
		Zone   string               `yaml:"zone"`
		Memory gateway.MemoryConfig `yaml:"memory"`
	}{a.Gateway.Zone, a.Gateway.Memory})
	return out
}

// secret reports whether a field's value is compared and never shown.
func secret(part, field string) bool {
	switch part {
	case "admin":
		return field == "token" || field == "readToken"
	case "alerts":
		return field == "contents"
	case "tracing":
		return strings.HasPrefix(field, "headers.")
	}
	return carriesSecrets.MatchString(field)
}

// carriesSecrets is of variables of processes, and of the fields of HTTP that are
// sent: keys are handed over by these.
var carriesSecrets = regexp.MustCompile(`(^|\.)(env|[a-zA-Z]*[hH]eaders(\.set|\.add)?)\[[^\]]*\]$`)

// changes compares two parts field by field.
func changes(name string, was, now map[string]string) []string {
	var out []string
	for _, field := range slices.Sorted(maps.Keys(union(was, now))) {
		before, said := was[field]
		after, says := now[field]
		switch {
		case said && says && before == after:
		case strings.HasSuffix(field, "]") && !said:
			out = append(out, fmt.Sprintf("%s: %s added", name, field))
		case strings.HasSuffix(field, "]") && !says:
			out = append(out, fmt.Sprintf("%s: %s removed", name, field))
		case secret(name, field):
			out = append(out, fmt.Sprintf("%s: %s changed", name, field))
		case !said:
			out = append(out, fmt.Sprintf("%s: %s is %s, was the default", name, field, after))
		case !says:
			out = append(out, fmt.Sprintf("%s: %s is the default, was %s", name, field, before))
		default:
			out = append(out, fmt.Sprintf("%s: %s is %s, was %s", name, field, after, before))
		}
	}
	return out
}

// collect gathers the settings that are not zero, by their YAML path. Items of
// a list of strings stand for themselves, so that their order does not matter.
func collect(v reflect.Value, path string, into map[string]string) {
	if v.IsZero() {
		return
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		if text, err := m.MarshalText(); err == nil {
			into[path] = string(text)
			return
		}
	}
	if d, ok := v.Interface().(time.Duration); ok {
		into[path] = short(d)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		collect(v.Elem(), path, into)
	case reflect.Struct:
		for i := range v.NumField() {
			tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
			if tag != "" && tag != "-" {
				collect(v.Field(i), strings.TrimPrefix(path+"."+tag, "."), into)
			}
		}
	case reflect.Slice:
		collectList(v, path, into)
	case reflect.Map:
		for _, k := range v.MapKeys() {
			item := path + "[" + k.String() + "]"
			into[item] = ""
			if v.MapIndex(k).Kind() == reflect.String {
				into[item] = v.MapIndex(k).String()
			} else {
				collect(v.MapIndex(k), item, into)
			}
		}
	default:
		into[path] = fmt.Sprint(v.Interface())
	}
}

func collectList(v reflect.Value, path string, into map[string]string) {
	for i := range v.Len() {
		item := v.Index(i)
		if _, ok := item.Interface().(gateway.EndpointConfig); ok {
			into[fmt.Sprintf("%s[%s]", path, item)] = ""
			continue
		}
		into[fmt.Sprintf("%s[%d]", path, i)] = ""
		if item.Kind() == reflect.Struct {
			collect(item, fmt.Sprintf("%s[%d]", path, i), into)
		} else {
			into[fmt.Sprintf("%s[%d]", path, i)] = fmt.Sprint(item.Interface())
		}
	}
}

func union[V any](x, y map[string]V) map[string]bool {
	out := map[string]bool{}
	for k := range x {
		out[k] = true
	}
	for k := range y {
		out[k] = true
	}
	return out
}
