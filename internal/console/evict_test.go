package console

import (
	"fmt"
	"strings"
	"testing"

	"github.com/afloat-dev/afloat/internal/supervise"
)

// evictions are refused for replica 2, and there is no other than 1 and 2.
type evictions []string

func (e *evictions) Evict(service string, id int) error {
	switch id {
	case 1:
		*e = append(*e, fmt.Sprint(service, "/", id))
		return nil
	case 2:
		return fmt.Errorf("evict %s/2: %w: too few", service, supervise.ErrBudget)
	}
	return fmt.Errorf("evict %s/%d: %w", service, id, supervise.ErrNoReplica)
}

func TestEvictionSaysWhatBecameOfIt(t *testing.T) {
	o, done := running(t), new(evictions)
	o.Replicas = done
	h := Handler(o)
	for _, c := range []struct {
		replica, body string
		want          int
	}{
		{"1", `{"why": "memory", "who": "ada"}`, 204},
		{"2", `{"why": "memory"}`, 409},
		{"3", `{"why": "memory"}`, 404},
		{"one", `{"why": "memory"}`, 400},
		{"1", `{}`, 400},
		{"1", `{"why": "memory", "weight": 3}`, 400},
		{"1", `{"reason": "memory"}`, 400},
	} {
		if w := ask(t, h, "POST", "/api/v1/services/web/replicas/"+c.replica+"/eviction", c.body); w.Code != c.want {
			t.Errorf("%s %s: %d %s, want %d", c.replica, c.body, w.Code, w.Body, c.want)
		}
	}
	if len(*done) != 1 || (*done)[0] != "web/1" {
		t.Errorf("evicted %v", *done)
	}
	if w := ask(t, h, "GET", "/api/v1/journal?kind=lever", ""); !strings.Contains(w.Body.String(), `"what": "evicted"`) || !strings.Contains(w.Body.String(), `"web/replica-1"`) {
		t.Errorf("the journal says %s", w.Body)
	}
}
