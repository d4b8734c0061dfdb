package alert

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql"
)

func TestRulesAreQuietWhileTheStoreIsClosed(t *testing.T) {
	var out bytes.Buffer
	shut := errors.New("shut")
	log := slog.New(warnings{slog.NewTextHandler(&out, nil), shut}).With("component", "rules")
	log.Info("everyday")
	log.Warn("closed", "rule", "a", "err", promql.ErrStorage{Err: shut})
	log.Error("closed", "err", fmt.Errorf("read: %w", shut))
	if out.Len() > 0 {
		t.Errorf("got %s", &out)
	}
	log.Warn("broken", "err", promql.ErrStorage{Err: errors.New("torn")})
	if !strings.Contains(out.String(), "msg=broken") {
		t.Errorf("got %q", &out)
	}
}
