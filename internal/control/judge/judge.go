package judge

// Judge makes trials by a Config.
type Judge struct {
	Config
	below float64 // what the p-value of each check of requests must fall to
}

// New returns a Judge, or the problems of its Config.
func New(c Config) (*Judge, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	j := &Judge{Config: c.WithDefaults()}
	checks := 2 + len(j.Latency) // errors and objective
	if j.FailuresInRow > 0 {
		checks++
	}
	j.below = j.Alpha / float64(checks)
	return j, nil
}

// Begin returns a trial of a canary beside a baseline.
func (j *Judge) Begin() *Trial { return j.begin(Record{}) }

// BeginAlone returns a trial of a version that no other runs beside, such as
// after a switch of all traffic: it is held to the objective, to failures in a
// row and to bounds of series.
func (j *Judge) BeginAlone() *Trial { return j.begin(Record{Alone: true}) }

// Resume returns a trial that goes on where [Trial.Record] was taken.
func (j *Judge) Resume(r Record) *Trial { return j.begin(r) }
