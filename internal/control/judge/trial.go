package judge

import (
	"sync"
	"time"
)

// Arm is one of the two versions.
type Arm int

const (
	// Baseline is the old version.
	Baseline Arm = iota
	// Canary is the new one.
	Canary
)

// Request is how a request ended.
type Request struct {
	// Failed is whether the version is to blame: an answer of 5xx, none, or one
	// that came too late.
	Failed bool
	// Took is how long the answer took. It counts when the request succeeded.
	Took time.Duration
}

// Counts are a version's requests.
type Counts struct {
	Requests uint64 `json:"requests"`
	Errors   uint64 `json:"errors"`
}

// ratio is the share that failed.
func (c Counts) ratio() float64 {
	if c.Requests == 0 {
		return 0
	}
	return float64(c.Errors) / float64(c.Requests)
}

func (c *Counts) add(failed bool) {
	c.Requests++
	if failed {
		c.Errors++
	}
}

func (c Counts) since(before Counts) Counts {
	return Counts{c.Requests - before.Requests, c.Errors - before.Errors}
}

// A Trial gathers what the versions do, and judges. It may be used by many
// goroutines.
type Trial struct {
	judge *Judge

	mu      sync.Mutex
	r       Record               // guarded
	series  map[string]*readings // guarded
	settled *Check               // guarded: the check that failed first; a failure is never taken back
	course  course               // guarded
}

// Record is all that a trial knows, so that it can go on after a restart.
// Series are not in it: they are told again as they are.
type Record struct {
	// Alone is whether there is no baseline.
	Alone bool `json:"alone,omitempty"`
	// Versions are the arms, since the weight last changed. Past is what
	// evidence the time before has left.
	Versions [2]Version         `json:"versions"`
	Past     map[string]capital `json:"past,omitempty"`
	// Old is what they did before that.
	Old [2]Counts `json:"old"`
	// Most is the most evidence that there ever was, of each check.
	Most map[string]float64 `json:"most,omitempty"`
	// Run is how many requests of the canary failed one after the other, and
	// Before what the baseline had counted when that began.
	Run    uint64 `json:"run,omitempty"`
	Before Counts `json:"before"`
	// Settled is the check that failed.
	Settled *Check `json:"settled,omitempty"`
}

// Version is what one version did.
type Version struct {
	Counts
	Latency Latencies `json:"latency"`
}

func (j *Judge) begin(r Record) *Trial {
	r = r.clone()
	return &Trial{judge: j, r: r, settled: r.Settled, series: map[string]*readings{}}
}

// Record returns what the trial knows.
func (t *Trial) Record() Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.r.clone()
	r.Settled = t.settled
	return r
}

// Add counts a request that has ended. It reports whether the canary has failed
// by now, so that whoever weighs the traffic need not wait for the next look.
func (t *Trial) Add(arm Arm, q Request) (failed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := &t.r.Versions[arm]
	v.add(q.Failed)
	if !q.Failed {
		v.Latency.observe(q.Took)
	}
	if arm == Canary {
		t.row(q.Failed)
	}
	// Only a failure of the canary speaks against it at once; that the baseline
	// goes on to succeed does so slowly.
	if arm == Canary && q.Failed || t.requests()%lookEvery == 0 {
		t.look()
		t.course.add(t.point())
	}
	return t.settled != nil
}

// lookEvery is after how many requests the trial looks whatever they were.
const lookEvery = 64

func (t *Trial) requests() uint64 {
	return t.r.Versions[Baseline].Requests + t.r.Versions[Canary].Requests
}

// row keeps count of failures one after the other.
func (t *Trial) row(failed bool) {
	switch {
	case !failed:
		t.r.Run = 0
	case t.r.Run == 0:
		t.r.Run, t.r.Before = 1, t.r.Versions[Baseline].Counts
	default:
		t.r.Run++
	}
}

// look holds the counts against the canary, which may settle the matter.
func (t *Trial) look() {
	for _, c := range t.counts() {
		t.settle(c)
	}
}

func (t *Trial) settle(c Check) {
	if c.Decision == Fail && t.settled == nil {
		t.settled = &c
	}
}

// counts are the checks that know counts only.
func (t *Trial) counts() []Check {
	var checks []Check
	if !t.r.Alone {
		checks = append(checks, t.errors())
	}
	checks = append(checks, t.objective())
	if t.judge.FailuresInRow > 0 {
		checks = append(checks, t.inRow())
	}
	return checks
}

// Weigh begins another stretch: the canary's share of the traffic has changed.
// What was seen before still counts against the canary; to pass, it must be seen
// anew.
func (t *Trial) Weigh() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, evidence := range t.evidences() {
		t.r.Past[name] = t.r.Past[name].end(evidence)
	}
	t.r.Old = [2]Counts{t.whole(Baseline), t.whole(Canary)}
	t.r.Versions = [2]Version{}
	t.r.Before = Counts{}
	t.course = course{}
	for _, s := range t.series {
		*s = readings{}
	}
}

// whole is what a version did in the whole of the release.
func (t *Trial) whole(arm Arm) Counts {
	old, now := t.r.Old[arm], t.r.Versions[arm].Counts
	return Counts{old.Requests + now.Requests, old.Errors + now.Errors}
}

// evidences are what the stretch has shown, by check.
func (t *Trial) evidences() map[string]float64 {
	objective := t.objectiveEvidence()
	if t.excused() {
		objective = min(objective, 0)
	}
	all := map[string]float64{"objective": objective}
	if t.r.Alone {
		return all
	}
	all["errors"] = t.errorsEvidence()
	for _, q := range t.judge.Latency {
		all[q.name()] = t.latencyEvidence(q)
	}
	return all
}

// most returns the most evidence that a check ever had, with what it has now.
func (t *Trial) most(name string, evidence float64) float64 {
	now := t.r.Past[name].with(evidence)
	if best, ok := t.r.Most[name]; ok && best >= now {
		return best
	}
	if now > 0 {
		t.r.Most[name] = now
	}
	return now
}

// Verdict returns what is known by now. A canary that has failed has failed for
// good.
func (t *Trial) Verdict() Verdict {
	t.mu.Lock()
	defer t.mu.Unlock()
	checks := t.counts()
	if !t.r.Alone {
		for _, q := range t.judge.Latency {
			checks = append(checks, t.latency(q))
		}
	}
	for _, s := range t.judge.Series {
		checks = append(checks, s.judge(t.series[s.Name], t.r.Alone))
	}
	for i, c := range checks {
		if t.settle(c); t.settled != nil && t.settled.Name == c.Name {
			checks[i] = *t.settled
		}
	}
	v := sum(checks)
	v.Course = t.course.with(t.point())
	return v
}

func (r Record) clone() Record {
	past, most := map[string]capital{}, map[string]float64{}
	for name, c := range r.Past {
		past[name] = c
	}
	for name, m := range r.Most {
		most[name] = m
	}
	r.Past, r.Most = past, most
	return r
}
