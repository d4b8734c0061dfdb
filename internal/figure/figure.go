// Package figure makes figures of the states of policies. It is what the
// packages that export them to Prometheus and to OpenTelemetry have in common:
// the names, the meaning and the labels.
package figure

import (
	"strings"

	"github.com/afloat-dev/afloat/policy"
)

// Desc is what is known of a figure before its value.
type Desc struct {
	// Name is in lower case with underscores, without unit or prefix.
	Name string
	// Help is the meaning, as a sentence.
	Help string
	// Unit is s, By, 1 for a ratio, or what is counted in braces, such as
	// {call}.
	Unit string
	// Label is the label that tells figures of a policy apart; empty for none.
	Label string
	// Counter is a figure that only grows.
	Counter bool
}

// Figure is a value of one policy.
type Figure struct {
	*Desc
	// Of is the value of the Label.
	Of    string
	Value float64
}

// The figures.
var (
	Rejected       = counter("rejected", "Calls that the policy refused, by reason.", "{call}", "reason")
	InFlight       = gauge("in_flight", "Calls under way.", "{call}", "")
	Queued         = gauge("queued", "Calls that wait for one under way to end, or for their turn.", "{call}", "")
	Limit          = gauge("limit", "Calls under way that are allowed now.", "{call}", "")
	BreakerState   = gauge("breaker_state", "The state of the breaker: 1 for the one that holds.", "{state}", "state")
	BreakerOpened  = counter("breaker_opened", "How often the breaker opened, or one of its keys'.", "{change}", "")
	NotClosed      = gauge("breakers_not_closed", "Keys whose breaker is not closed.", "{key}", "")
	Keys           = gauge("keys", "Keys that have a place of their own.", "{key}", "")
	KeysMax        = gauge("keys_max", "Keys that may have one.", "{key}", "")
	KeysFull       = counter("keys_full", "Calls whose key found no place.", "{call}", "")
	Evicted        = counter("evicted", "Answers, or breakers of keys, that had to go.", "{entry}", "")
	RetryCalls     = counter("retry_calls", "Calls that may be repeated.", "{call}", "")
	Retries        = counter("retries", "Tries after a call's first.", "{try}", "")
	RetriesStopped = counter("retries_stopped", "Calls that failed and were not repeated, by reason.", "{call}", "reason")
	BudgetLeft     = gauge("budget_left", "Further tries that the budget allows now.", "{try}", "")
	Hedges         = counter("hedges", "Tries beside a slow one.", "{try}", "")
	HedgesWon      = counter("hedges_won", "Tries beside a slow one that were the first to succeed.", "{try}", "")
	HedgesRefused  = counter("hedges_refused", "Tries beside a slow one that were not started: the budget was spent, or too many losers still run.", "{try}", "")
	HedgeDelay     = gauge("hedge_delay", "How long a try may take before another is started.", "s", "")
	TimeoutLimit   = gauge("timeout", "How long a call may take.", "s", "")
	Timeouts       = counter("timeouts", "Calls that took longer than their timeout.", "{call}", "")
	Abandoned      = counter("abandoned", "Calls that were left running after their timeout.", "{call}", "")
	Stragglers     = gauge("stragglers", "Functions that still run without a caller.", "{call}", "")
	RateLimit      = gauge("rate_limit", "Calls a second that are allowed.", "{call}/s", "")
	RateLeft       = gauge("rate_left", "Calls that could begin now.", "{call}", "")
	AdaptiveBase   = gauge("adaptive_baseline", "How long a call takes when the callee is not busy; 0 when not known.", "s", "")
	AdaptiveRTT    = gauge("adaptive_rtt", "How long calls took of late; 0 when not known.", "s", "")
	ThrottleOdds   = gauge("throttle_odds", "Share of calls that is rejected now.", "1", "")
	Fallbacks      = counter("fallbacks", "Results that were replaced.", "{call}", "")
	FallbackFailed = counter("fallbacks_failed", "Results whose replacement was no success either.", "{call}", "")
	CacheAnswers   = counter("cache_answers", "Calls by what answered them: hit, stale or miss.", "{call}", "result")
	CacheEntries   = gauge("cache_entries", "Answers that are kept.", "{entry}", "")
	CacheBytes     = gauge("cache_size", "Estimated size of the answers that are kept.", "By", "")
	RefreshFailed  = counter("cache_refreshes_failed", "Answers that did not come for an old one that was given meanwhile.", "{call}", "")
	Shared         = counter("singleflight_calls", "Calls by how they were made: led, joined or alone.", "{call}", "role")
	Faults         = counter("faults", "Calls that were disturbed on purpose, by kind.", "{call}", "kind")
)

var descs []*Desc

func counter(name, help, unit, label string) *Desc { return desc(name, help, unit, label, true) }
func gauge(name, help, unit, label string) *Desc   { return desc(name, help, unit, label, false) }

func desc(name, help, unit, label string, counter bool) *Desc {
	d := &Desc{name, help, unit, label, counter}
	descs = append(descs, d)
	return d
}

// Descs are all figures that there are.
func Descs() []*Desc { return descs }

// Of returns the figures of a policy's status.
func Of(s policy.PolicyStatus) []Figure {
	switch s := s.Figures.(type) {
	case policy.BreakerStatus:
		return breaker(s)
	case policy.KeyedBreakerStatus:
		return []Figure{n(Rejected, s.Rejected-s.Isolation).of("open"), n(Rejected, s.Isolation).of("isolated"), n(BreakerOpened, s.Opened), g(NotClosed, s.NotClosed),
			g(Keys, s.Keys), g(KeysMax, s.KeysMax), n(KeysFull, s.Shared), n(Evicted, s.Evicted)}
	case policy.RetryStatus:
		return retry(s)
	case policy.HedgeStatus:
		return append(budget(s.Budget), n(Hedges, s.Started), n(HedgesWon, s.Won), n(HedgesRefused, s.Refused),
			g(HedgeDelay, s.Delay.Seconds()), g(Stragglers, s.Stragglers))
	case policy.TimeoutStatus:
		return []Figure{g(TimeoutLimit, s.Timeout.Seconds()), n(Timeouts, s.Expired), n(Abandoned, s.Abandoned),
			g(Stragglers, s.Stragglers), n(Rejected, s.Rejected-s.Crowded).of("abandoned"), n(Rejected, s.Crowded).of("running")}
	case policy.RateLimitStatus:
		return []Figure{n(Rejected, s.Rejected-s.Late).of("limited"), n(Rejected, s.Late).of("deadline"),
			g(RateLimit, s.Requests/s.Per.Seconds()), g(RateLeft, s.Left), g(Queued, s.Waiting)}
	case policy.KeyedRateLimitStatus:
		return []Figure{n(Rejected, s.Rejected-s.Late).of("limited"), n(Rejected, s.Late).of("deadline"),
			g(RateLimit, s.Requests/s.Per.Seconds()), g(Queued, s.Waiting), g(Keys, s.Keys), g(KeysMax, s.KeysMax), n(KeysFull, s.KeysFull)}
	case policy.BulkheadStatus:
		return []Figure{n(Rejected, s.Rejected).of("full"), g(InFlight, s.InFlight), g(Queued, s.Queued), g(Limit, s.MaxConcurrent)}
	case policy.AdaptiveStatus:
		return []Figure{n(Rejected, s.Shed).of("overloaded"), g(InFlight, s.InFlight), g(Queued, s.Queued), g(Limit, s.Limit),
			g(AdaptiveBase, s.Baseline.Seconds()), g(AdaptiveRTT, s.RTT.Seconds())}
	case policy.ThrottleStatus:
		return []Figure{n(Rejected, s.Rejected).of("throttled"), g(ThrottleOdds, s.Odds)}
	}
	return ofQuiet(s)
}

// ofQuiet is Of for policies that refuse nothing.
func ofQuiet(s policy.PolicyStatus) []Figure {
	switch s := s.Figures.(type) {
	case policy.FallbackStatus:
		return []Figure{n(Fallbacks, s.Used), n(FallbackFailed, s.Failed)}
	case policy.CacheStatus:
		return []Figure{n(CacheAnswers, s.Hits).of("hit"), n(CacheAnswers, s.Stale).of("stale"), n(CacheAnswers, s.Misses).of("miss"),
			g(CacheEntries, s.Entries), g(CacheBytes, s.Bytes), n(Evicted, s.Evicted), n(RefreshFailed, s.RefreshFailed)}
	case policy.SingleflightStatus:
		return []Figure{n(Shared, s.Led).of("led"), n(Shared, s.Joined).of("joined"), n(Shared, s.Alone).of("alone"), g(InFlight, s.Running)}
	case policy.FaultStatus:
		return []Figure{n(Faults, s.Delayed).of("delay"), n(Faults, s.Aborted).of("abort")}
	}
	return nil
}

func breaker(s policy.BreakerStatus) []Figure {
	all := []Figure{n(Rejected, s.Rejected-s.Isolation).of("open"), n(Rejected, s.Isolation).of("isolated"), n(BreakerOpened, s.Opened)}
	for state := policy.BreakerClosed; state <= policy.BreakerRampingUp; state++ {
		holds := 0
		if state == s.State {
			holds = 1
		}
		all = append(all, g(BreakerState, holds).of(state.String()))
	}
	return all
}

func retry(s policy.RetryStatus) []Figure {
	all := append(budget(s.Budget), n(RetryCalls, s.Calls), n(Retries, s.Repeated))
	for reason, count := range s.Stopped {
		all = append(all, n(RetriesStopped, count).of(snake.Replace(reason)))
	}
	return all
}

// snake makes labels' values of the words of a status.
var snake = strings.NewReplacer("timeMax", "time_max", "retryAfter", "retry_after")

// budget is none where the budget is lifted.
func budget(s policy.BudgetStatus) []Figure {
	if s.Off {
		return nil
	}
	return []Figure{g(BudgetLeft, s.Left)}
}

func n(d *Desc, value uint64) Figure { return Figure{Desc: d, Value: float64(value)} }

func g[T ~int | ~int64 | ~float64](d *Desc, value T) Figure {
	return Figure{Desc: d, Value: float64(value)}
}

func (f Figure) of(value string) Figure {
	f.Of = value
	return f
}
