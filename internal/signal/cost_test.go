//go:build !race

package signal_test

import (
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal"
	"github.com/afloat-dev/afloat/policy"
)

// TestMetricsCostAFractionOfNaiveUse measures the two in turn, so that both see
// the same machine, and takes the best of many short rounds. It is a
// fifteenth; a sixth would be more than the 60 ns that a request may cost.
func TestMetricsCostAFractionOfNaiveUse(t *testing.T) {
	both := [2]gateway.Observer{signal.Tee(signal.NewMetrics(signal.MetricsConfig{}), signal.NewWindow(nil), signal.NewEventLog(nil)), newVectors()}
	best := [2]time.Duration{time.Hour, time.Hour}
	for range 40 {
		for i, o := range both {
			best[i] = min(best[i], round(o))
		}
	}
	if ours, naive := best[0], best[1]; ours*6 > naive {
		t.Errorf("1000 requests cost %v, and %v with names looked up each time", ours, naive)
	}
}

// round is how long an observer takes for 1000 requests.
func round(o gateway.Observer) time.Duration {
	request, try := o.Route("checkout", "cart"), o.Endpoint("cart", "127.0.0.1:9001")
	r := record()
	began := time.Now()
	for i := range 1000 {
		r.Duration = time.Duration(i&255+1) * 97 * time.Microsecond
		try.Try(policy.Success, r.Duration)
		request.Request(r)
	}
	return time.Since(began)
}
