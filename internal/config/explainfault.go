package config

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// explainFault says what a route's fault does, to what, and until when.
func explainFault(f *gateway.FaultConfig) (parts []string) {
	where := ""
	if len(f.Match) > 0 {
		where += " of " + explainMatches(f.Match)
	}
	if len(f.Endpoints) > 0 {
		where += " at " + strings.Join(f.Endpoints, ", ")
	}
	if f.For > 0 {
		where += " for " + short(f.For)
	}
	if !f.Until.IsZero() {
		where += " until " + f.Until.Format(time.RFC3339)
	}
	add := func(format string, args ...any) {
		parts = append(parts, fmt.Sprintf(format, args...)+" on purpose"+where)
	}
	if f.Delay.Share > 0 {
		add("%s delayed by %s", f.Delay.Share, short(f.Delay.Duration))
	}
	if f.Abort.Share > 0 {
		add("%s answered with %d", f.Abort.Share, cmp.Or(f.Abort.Status, 503))
	}
	if f.Close > 0 {
		add("%s closed", f.Close)
	}
	if f.Reset > 0 {
		add("%s reset", f.Reset)
	}
	if b := f.Body; b.Share > 0 && b.Pause > 0 {
		add("%s of the bodies held back by %s", b.Share, short(b.Pause))
	}
	if b := f.Body; b.Share > 0 && b.BytesPerSecond > 0 {
		add("%s of the bodies at %d bytes/s", b.Share, b.BytesPerSecond)
	}
	return parts
}
