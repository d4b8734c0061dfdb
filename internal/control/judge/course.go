package judge

// course is how the checks of counts went. When it is full, every other
// point goes and from then on only every other is kept.
type course struct {
	points       []Point
	every, until int
}

const courseMax = 255

func (c *course) add(p Point) {
	if c.until > 0 {
		c.until--
		return
	}
	if len(c.points) == courseMax {
		kept := c.points[:0]
		for i := 0; i < courseMax; i += 2 {
			kept = append(kept, c.points[i])
		}
		c.points, c.every = kept, 2*c.every+1
	}
	c.points = append(c.points, p)
	c.until = c.every
}

// with returns the points, ending in the present one.
func (c *course) with(now Point) []Point {
	return append(append(make([]Point, 0, len(c.points)+1), c.points...), now)
}

func (t *Trial) point() Point {
	p := Point{Canary: t.r.Versions[Canary].Counts, Baseline: t.r.Versions[Baseline].Counts, P: 1, InRow: 1}
	if !t.r.Alone {
		p.P = chance(t.r.Past["errors"].with(t.errorsEvidence()))
	}
	p.Objective = chance(t.r.Past["objective"].with(t.objectiveEvidence()))
	if t.judge.FailuresInRow > 0 {
		p.InRow = t.rowChance()
	}
	return p
}
