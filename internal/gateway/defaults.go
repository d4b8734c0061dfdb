package gateway

import (
	"cmp"
	"time"
)

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c ListenerConfig) WithDefaults() ListenerConfig {
	if c.Paths == "" && c.Transparent != nil {
		c.Paths = PathAsIs // those who speak there know of no proxy
	}
	c.Paths = cmp.Or(c.Paths, PathNormalize)
	c.HeaderTimeout = cmp.Or(c.HeaderTimeout, 10*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 75*time.Second)
	c.StallTimeout = cmp.Or(c.StallTimeout, 30*time.Second)
	c.HeaderBytes = cmp.Or(c.HeaderBytes, 32<<10)
	c.BodyRateMin = cmp.Or(c.BodyRateMin, 240)
	c.ConnectionsMax = cmp.Or(c.ConnectionsMax, 10000)
	c.StreamsMax = cmp.Or(c.StreamsMax, 100)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, 30*time.Second)
	return c
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c ServiceConfig) WithDefaults() ServiceConfig {
	c.Protocol = cmp.Or(c.Protocol, ProtocolAuto)
	c.StreamsMax = cmp.Or(c.StreamsMax, 100)
	c.StreamsUnderWayMax = cmp.Or(c.StreamsUnderWayMax, 2000)
	c.Balance = cmp.Or(c.Balance, BalanceLeastLoaded)
	c.Hash.LoadFactor = cmp.Or(c.Hash.LoadFactor, 1.5)
	c.SpillBelow = cmp.Or(c.SpillBelow, 0.7)
	c.Timeout = cmp.Or(c.Timeout, 15*time.Second)
	c.StallTimeout = cmp.Or(c.StallTimeout, 30*time.Second)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, time.Second)
	c.ReplayBytes = cmp.Or(c.ReplayBytes, 64<<10)
	c.IdleConnectionsMax = cmp.Or(c.IdleConnectionsMax, 256)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 60*time.Second)
	c.ConnectionsMax = cmp.Or(c.ConnectionsMax, 4096)
	if c.RetryOn == nil {
		c.RetryOn = []RetryCondition{RetryConnectFailure, RetryReset, RetryUnavailable, Retry5xx, RetryTimeout}
	}
	c.User = cmp.Or(c.User, KeyConfig{Client: true})
	c.Retry = c.Retry.WithDefaults()
	c.Breaker = c.Breaker.WithDefaults()
	c.Concurrency = c.Concurrency.WithDefaults()
	c.Outlier = c.Outlier.WithDefaults()
	c.Health = c.Health.WithDefaults()
	return c
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c OutlierConfig) WithDefaults() OutlierConfig {
	c.Interval = cmp.Or(c.Interval, 250*time.Millisecond)
	c.FailureRate = cmp.Or(c.FailureRate, 0.1)
	c.LatencyFactor = cmp.Or(c.LatencyFactor, 4)
	c.LatencyMin = cmp.Or(c.LatencyMin, 20*time.Millisecond)
	c.MinimumCalls = cmp.Or(c.MinimumCalls, 10)
	c.EjectedMax = cmp.Or(c.EjectedMax, 0.5)
	return c
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c HealthConfig) WithDefaults() HealthConfig {
	c.Interval = cmp.Or(c.Interval, time.Second)
	c.Timeout = cmp.Or(c.Timeout, min(c.Interval, time.Second))
	c.UnhealthyThreshold = cmp.Or(c.UnhealthyThreshold, 2)
	c.HealthyThreshold = cmp.Or(c.HealthyThreshold, 1)
	return c
}
