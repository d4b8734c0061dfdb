package policy

import (
	"math"
	"time"
)

// gradient is the estimator of [Adaptive].
type gradient struct {
	least, most   float64
	limit         float64
	baseline, rtt float64
	why           string
}

func newGradient(initial int) *gradient {
	return &gradient{limit: float64(initial), why: "nothing has been learned yet"}
}

func (g *gradient) bound(least, most int) {
	g.least, g.most = float64(least), float64(most)
	g.limit = min(max(g.limit, g.least), g.most)
}

func (g *gradient) estimate() estimate {
	return estimate{int(math.Round(g.limit)), time.Duration(g.baseline), time.Duration(g.rtt), g.why}
}

func (g *gradient) observe(sample) bool { return false }
