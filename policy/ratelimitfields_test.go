package policy

import (
	"testing"
	"time"
)

func TestRateLimitFieldsSayWhatIsLeftAndForHowLong(t *testing.T) {
	policies, left := RateLimitFields([]RateLimitStatus{
		{Requests: 1.5, Per: 500 * time.Millisecond, Left: 2.9},
		{Requests: 100, Per: time.Minute, Left: 0.5, RetryAfter: 300 * time.Millisecond},
	})
	if want := `"default";q=3;w=1, "default-2";q=100;w=60`; policies != want {
		t.Errorf("policies: got %s, want %s", policies, want)
	}
	if want := `"default";r=2;t=1, "default-2";r=0;t=1`; left != want {
		t.Errorf("left: got %s, want %s", left, want)
	}
}
