package alert

import (
	_ "embed"
	"log/slog"
	"slices"
	"sync"

	"github.com/prometheus/prometheus/model/rulefmt"
)

// Builtin is the text of the rules that Afloat brings.
//
//go:embed builtin.yaml
var Builtin []byte

// withoutAll is the word for none of the built-in rules.
const withoutAll = "all"

var discard = slog.New(slog.DiscardHandler)

// builtinRules are those of Builtin. A test holds that they can be read.
var builtinRules = sync.OnceValue(func() *rulefmt.RuleGroups {
	groups, err := ParseRules(RuleSource{"built-in", Builtin})
	if err != nil {
		panic(err)
	}
	return groups
})

// builtinNames are the alerts that Afloat brings, that of an outage first.
func builtinNames() []string {
	names := []string{nameOutage}
	for _, g := range builtinRules().Groups {
		for _, r := range g.Rules {
			names = append(names, r.Alert)
		}
	}
	return names
}

// builtin is what a Config wants of the built-in rules.
func builtin(c *Config) *rulefmt.RuleGroups {
	if slices.Contains(c.Without, withoutAll) {
		return nil
	}
	wanted := &rulefmt.RuleGroups{}
	for _, g := range builtinRules().Groups {
		g.Rules = slices.DeleteFunc(slices.Clone(g.Rules), func(r rulefmt.Rule) bool { return slices.Contains(c.Without, r.Alert) })
		if len(g.Rules) > 0 {
			wanted.Groups = append(wanted.Groups, g)
		}
	}
	return wanted
}

// noticesOutages reports whether a Config wants outages noticed.
func (c *Config) noticesOutages() bool {
	return !slices.Contains(c.Without, withoutAll) && !slices.Contains(c.Without, nameOutage)
}
