package policy

import (
	"context"
	"math/rand/v2"
	"time"
)

// faultPlan is a FaultConfig in force.
type faultPlan struct {
	FaultConfig
	keys map[string]bool // nil: all
	end  time.Duration   // 0: never
}

func newFaultPlan(c FaultConfig) *faultPlan {
	p := &faultPlan{FaultConfig: c}
	if len(c.Keys) > 0 {
		p.keys = make(map[string]bool, len(c.Keys))
		for _, key := range c.Keys {
			p.keys[key] = true
		}
	}
	if c.For > 0 {
		p.end = now() + c.For
	}
	return p
}

// over reports whether the fault has ended by itself.
func (p *faultPlan) over() bool { return p.end > 0 && now() >= p.end }

// keyOf is the call's key, where it matters.
func (p *faultPlan) keyOf(ctx context.Context) string {
	if p.keys == nil && !p.PerKey {
		return ""
	}
	return orKey(p.Key)(ctx)
}

// draw reports whether a call belongs to the share. What tells apart the draws
// of one key.
func (p *faultPlan) draw(share Ratio, key, what string) bool {
	switch {
	case share <= 0:
		return false
	case p.PerKey && key != "":
		return placeOf(key, what) < float64(share)
	}
	return rand.Float64() < float64(share)
}

// delay draws how long a call is delayed.
func (p *faultPlan) delay() time.Duration {
	if p.Delay.Spread <= 0 {
		return p.Delay.Duration
	}
	return time.Duration(float64(p.Delay.Duration) * (1 + float64(p.Delay.Spread)*(2*rand.Float64()-1)))
}

// placeOf is where a key lies between 0 and 1, the same in every process: the
// hash FNV-1a, whose high bits depend too little on the last bytes, under the
// finalizer of MurmurHash3.
func placeOf(key, what string) float64 {
	h := uint64(14695981039346656037)
	for _, text := range [...]string{what, "\x00", key} {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * 1099511628211
		}
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return float64((h^h>>33)>>11) / (1 << 53)
}
