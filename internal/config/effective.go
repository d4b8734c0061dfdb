package config

import (
	"cmp"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/policy"
)

// effective returns a service with the defaults written out that Explain speaks
// of. They are those of packages gateway and policy, which apply them for
// themselves; a test holds these against the words of their documentation.
func effective(s gateway.ServiceConfig) gateway.ServiceConfig {
	s.Balance = cmp.Or(s.Balance, gateway.BalanceLeastLoaded)
	s.Timeout = cmp.Or(s.Timeout, 15*time.Second)
	s.StallTimeout = cmp.Or(s.StallTimeout, 30*time.Second)
	s.ConnectTimeout = cmp.Or(s.ConnectTimeout, time.Second)
	s.ConnectionsMax = cmp.Or(s.ConnectionsMax, 4096)
	if s.RetryOn == nil {
		s.RetryOn = []gateway.RetryCondition{gateway.RetryConnectFailure, gateway.RetryReset, gateway.RetryUnavailable, gateway.Retry5xx, gateway.RetryTimeout}
	}
	s.Retry = effectiveRetry(s.Retry)
	s.Breaker = effectiveBreaker(s.Breaker)
	s.Outlier.FailureRate = cmp.Or(s.Outlier.FailureRate, 0.1)
	s.Outlier.LatencyFactor = cmp.Or(s.Outlier.LatencyFactor, 4)
	s.Outlier.LatencyMin = cmp.Or(s.Outlier.LatencyMin, 20*time.Millisecond)
	s.Outlier.EjectedMax = cmp.Or(s.Outlier.EjectedMax, 0.5)
	s.Concurrency = effectiveConcurrency(s.Concurrency)
	s.Health.Interval = cmp.Or(s.Health.Interval, time.Second)
	s.Health.Timeout = cmp.Or(s.Health.Timeout, min(s.Health.Interval, time.Second))
	s.Health.UnhealthyThreshold = cmp.Or(s.Health.UnhealthyThreshold, 2)
	s.Health.HealthyThreshold = cmp.Or(s.Health.HealthyThreshold, 1)
	return s
}

func effectiveRetry(r policy.RetryConfig) policy.RetryConfig {
	r.Attempts = cmp.Or(r.Attempts, 2)
	r.Delay = cmp.Or(r.Delay, 25*time.Millisecond)
	r.DelayMax = cmp.Or(r.DelayMax, max(time.Second, r.Delay))
	r.Budget.Share = cmp.Or(r.Budget.Share, 0.2)
	r.Budget.MinPerSecond = cmp.Or(r.Budget.MinPerSecond, 3)
	return r
}

func effectiveBreaker(b policy.BreakerConfig) policy.BreakerConfig {
	b.ConsecutiveFailures = cmp.Or(b.ConsecutiveFailures, 5)
	b.FailureRate = cmp.Or(b.FailureRate, 0.5)
	b.SlowCallRate = cmp.Or(b.SlowCallRate, 0.8)
	b.MinimumCalls = cmp.Or(b.MinimumCalls, 20)
	b.Window = cmp.Or(b.Window, 10*time.Second)
	b.OpenDuration = cmp.Or(b.OpenDuration, 5*time.Second)
	b.OpenDurationMax = cmp.Or(b.OpenDurationMax, max(time.Minute, b.OpenDuration))
	return b
}

func effectiveConcurrency(c policy.AdaptiveConfig) policy.AdaptiveConfig {
	c.Min = cmp.Or(c.Min, 4)
	c.Max = cmp.Or(c.Max, max(1000, c.Min))
	c.QueueMax = cmp.Or(c.QueueMax, 1000)
	c.WaitMax = cmp.Or(c.WaitMax, 100*time.Millisecond)
	return c
}
