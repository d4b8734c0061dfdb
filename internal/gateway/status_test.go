package gateway

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/afloat-dev/afloat/policy"
)

// What an operator asks of a service: how much it may take, and why no more.
func TestStatusSaysWhyTheLimitIsWhatItIs(t *testing.T) {
	g, url := start(t, oneService(ServiceConfig{
		Endpoints:   []string{named(t, "a")},
		Concurrency: policy.AdaptiveConfig{Initial: 7},
	}))
	get(t, url)
	text, err := json.Marshal(g.Status().Services[0])
	if err != nil || !strings.Contains(string(text), `"limit":7`) || !strings.Contains(string(text), `"limitWhy":"`) {
		t.Fatalf("got %s, %v", text, err)
	}
}
