package main

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/afloat-dev/afloat/internal/control/judge"
)

// scenario is a release that is simulated many times.
type scenario struct {
	name string
	want string // what is promised of it
	// weights are the canary's shares, one after the other, each for as many
	// requests.
	weights  []float64
	requests int
	// lookEvery is after how many requests the judge looks at all; 0: each
	// second of 200 requests.
	lookEvery int
	baseline  version
	canary    version
	// varies changes both versions with the progress of the release, from 0 to
	// 1. Nil: they stay as they are.
	varies func(v version, progress float64) version
	config judge.Config
	// holds says whether what came out is what is promised.
	holds func(o outcome) bool
}

// version is how a version of the simulated service behaves.
type version struct {
	errors float64 // share of requests that fail
	median time.Duration
	tail   float64 // what the slowest tenth's latency is multiplied by; 0: 1
}

const (
	perSecond = 200 // requests
	sigma     = 0.6 // of the logarithm of latency
)

// answer makes up how one request ends.
func (v version) answer(dice *rand.Rand) judge.Request {
	if dice.Float64() < v.errors {
		return judge.Request{Failed: true}
	}
	z := dice.NormFloat64()
	took := float64(v.median) * math.Exp(sigma*z)
	if z > 1.2816 && v.tail > 0 {
		took *= v.tail
	}
	return judge.Request{Took: time.Duration(took)}
}

// release is how one simulated release went.
type release struct {
	decision judge.Decision
	requests int    // until it failed, or all
	errors   uint64 // the users' of the canary until then
	verdict  judge.Verdict
}

// run simulates one release through the real judge.
func (s scenario) run(seed uint64) release {
	dice := rand.New(rand.NewPCG(seed, 1))
	j, err := judge.New(s.config)
	if err != nil {
		panic(err)
	}
	t := j.Begin()
	look := s.lookEvery
	if look == 0 {
		look = perSecond
	}
	r := release{requests: s.requests}
	stretch := (s.requests + len(s.weights) - 1) / len(s.weights)
	for i := range s.requests {
		if i > 0 && i%stretch == 0 {
			t.Weigh()
		}
		arm, v := judge.Baseline, s.baseline
		if dice.Float64() < s.weights[i/stretch] {
			arm, v = judge.Canary, s.canary
		}
		if s.varies != nil {
			v = s.varies(v, float64(i)/float64(s.requests))
		}
		q := v.answer(dice)
		if arm == judge.Canary && q.Failed {
			r.errors++
		}
		failed := t.Add(arm, q)
		if !failed && i%look == look-1 {
			failed = t.Verdict().Decision == judge.Fail
		}
		if failed {
			r.requests = i + 1
			break
		}
	}
	r.verdict = t.Verdict()
	r.decision = r.verdict.Decision
	return r
}
