package gateway

import (
	"github.com/afloat-dev/afloat/policy"
)

// LimitConfig is a limit that each key has for itself.
type LimitConfig struct {
	policy.KeyedRateLimitConfig `yaml:",inline"`
	// By is whose limit a request is under. Default: all requests are under
	// one.
	By KeyConfig `yaml:"by"`
}

// limits are what bounds the requests of a route, all of them together.
type limits struct {
	all    *policy.RateLimit // nil: none
	queues bool              // requests wait for it
	keyed  []keyedLimit
}

type keyedLimit struct {
	by    KeyConfig
	limit *policy.KeyedRateLimit
}

// newLimits compiles a route's limits. Those that stay keep their state.
func newLimits(c *RouteConfig, old *route) limits {
	var l limits
	if c.RateLimit != nil {
		l.all = keep(old, func(o *route) *policy.RateLimit { return o.limits.all }, *c.RateLimit, policy.NewRateLimit)
		l.queues = c.RateLimit.WithDefaults().QueueMax > 0
	}
	for i, k := range c.RateLimits {
		limit := keep(old, func(o *route) *policy.KeyedRateLimit {
			if i < len(o.limits.keyed) && o.limits.keyed[i].by == k.By {
				return o.limits.keyed[i].limit
			}
			return nil
		}, k.KeyedRateLimitConfig, policy.NewKeyedRateLimit)
		l.keyed = append(l.keyed, keyedLimit{k.By, limit})
	}
	return l
}

// none reports whether nothing is limited.
func (l *limits) none() bool { return l.all == nil && l.keyed == nil }

// admit asks all limits, and uses up none of them where one refuses. One that
// requests wait for comes last.
func (x *exchange) admit() error {
	l := &x.route.limits
	x.under = x.under[:0]
	for i := range l.keyed {
		k := &l.keyed[i]
		x.key = x.appendKey(x.key[:0], &k.by)
		x.under = append(x.under, k.limit.OfBytes(x.key))
	}
	if l.all != nil && !l.queues {
		x.under = append(x.under, l.all.Limit())
	}
	defer x.presence.rest()
	if err := x.under.Admit(x.present()); err != nil || l.all == nil || !l.queues {
		return err
	}
	x.under = append(x.under, l.all.Limit())
	return l.all.Admit(x.present())
}

// addLimits tells a client that was refused what it is under.
func (x *exchange) addLimits() {
	var all []policy.RateLimitStatus
	for _, l := range x.under {
		all = append(all, l.Status())
	}
	policies, left := policy.RateLimitFields(all)
	x.extras.addText(nameRateLimitPolicy, policies)
	x.extras.addText(nameRateLimit, left)
}

var (
	nameRateLimitPolicy = []byte("RateLimit-Policy")
	nameRateLimit       = []byte("RateLimit")
)

// LimitStatus is a limit of a route.
type LimitStatus struct {
	// By is whose limit it is, in words; empty for one of all requests.
	By string `json:"by,omitempty"`
	// Keys is how many keys are known.
	Keys     int    `json:"keys"`
	Rejected uint64 `json:"rejected"`
}

func (l *limits) status() (all []LimitStatus) {
	for _, k := range l.keyed {
		t := k.limit.Total()
		all = append(all, LimitStatus{By: k.by.String(), Keys: t.Keys, Rejected: t.Rejected})
	}
	return all
}
