package policy

import (
	"testing"
	"time"
)

// halving is an estimator that halves its limit after every call.
type halving struct{ limit, least, most int }

func (h *halving) Observe(AdaptiveSample) bool {
	if h.limit == 1 {
		panic("nothing is left to halve")
	}
	h.limit /= 2
	return true
}

func (h *halving) Estimate() AdaptiveEstimate {
	return AdaptiveEstimate{Limit: h.limit, Baseline: time.Second, Why: "it was halved"}
}

func (h *halving) Bound(least, most int) { h.least, h.most = least, most }

func TestAdaptiveFollowsAnEstimatorOfItsOwner(t *testing.T) {
	h := new(halving)
	c := AdaptiveConfig{Min: 2, Max: 50, Initial: 40, Estimator: func(limit int) AdaptiveEstimator {
		h.limit = limit
		return h
	}}
	a := newAdaptive(t, c)
	call := func() (panicked any) {
		defer func() { panicked = recover() }()
		p, err := a.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.Done(Success)
		return nil
	}
	call()
	if s := a.Status(); s.Limit != 20 || h.least != 2 || h.most != 50 || s.Baseline != time.Second {
		t.Errorf("%+v of %+v", s, h)
	}
	c.Max, c.Initial = 10, 5
	if err := a.Set(c); err != nil || a.Status().Limit != 10 || h.limit != 20 || h.most != 10 {
		t.Errorf("%v, %+v of %+v", err, a.Status(), h)
	}
	for range 5 {
		call()
	}
	if s := a.Status(); s.Limit != 2 || h.limit != 1 {
		t.Errorf("it left its bounds: %+v of %+v", s, h)
	}
	if call() == nil {
		t.Error("the estimator has not panicked: the test shows nothing")
	}
	if s := a.Status(); s.InFlight != 0 {
		t.Errorf("its panic has left %+v", s)
	}
	if err := a.Set(AdaptiveConfig{Algorithm: AdaptiveAIMD}); err != nil {
		t.Error(err)
	}
	if _, ok := a.estimator.(*aimd); !ok {
		t.Errorf("without one it has %T", a.estimator)
	}
}
