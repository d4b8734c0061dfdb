package config

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
	"github.com/afloat-dev/afloat/internal/signal/tsdb"
	"github.com/afloat-dev/afloat/policy"
)

// mergeMetrics takes over how metrics are kept.
func (a *assembler) mergeMetrics(n native, at place) {
	a.once(at.at("metrics"), !reflect.DeepEqual(n.file.Metrics, tsdb.Config{}), func() { a.out.Metrics = n.file.Metrics })
}

// checkMetrics places what the store finds in its Config.
func (a *assembler) checkMetrics() {
	for _, err := range flatten(a.out.Metrics.Validate()) {
		var e *policy.FieldError
		if !errors.As(err, &e) {
			continue
		}
		if at, ok := a.places.find(append([]string{"metrics"}, yamltree.ParsePath(e.Field)...)); ok {
			a.report(at.problem(e.Problem, ""))
		}
	}
}

// explainMetrics says what is kept; nothing where that is the default.
func (a *Assembly) explainMetrics(say func(string, ...any)) {
	c := a.Metrics.WithDefaults()
	switch {
	case c.Disabled:
		say("Metrics are not kept: there are no rules, alerts and plots.")
	case !reflect.DeepEqual(a.Metrics, tsdb.Config{}):
		say("Metrics are kept every %s for %s, in at most %s.", short(c.Interval), short(c.Retention), mebibytes(c.SizeBytes))
	}
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }
