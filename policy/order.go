package policy

import (
	"fmt"
	"slices"
)

// A Warning is a pair of policies whose order, or whose number, in a chain makes
// them do what is seldom meant.
type Warning struct {
	// Outer and Inner are the policies, such as "Breaker" and "Retry", as they
	// stand in the chain.
	Outer, Inner string
	// Why says what comes of it and what to do.
	Why string
}

// String is the warning as a sentence.
func (w Warning) String() string { return fmt.Sprintf("%s around %s: %s", w.Outer, w.Inner, w.Why) }

// Check says where a chain leaves the order that is safe by default, and why
// that matters; a program that means it may ignore the warning. The order is,
// from the outermost:
//
//	Fallback           sees every failure and refusal
//	Cache              an answer that is there costs nothing further in
//	Singleflight       a crowd counts as one call
//	RateLimit          counts calls, not their repeats
//	Timeout            bounds the whole call, waits included
//	Retry              decides anew for each try
//	Hedge              starts one try twice, not a series of tries
//	Breaker            sees each try's result; when open, nothing waits
//	KeyedBreaker
//	Bulkhead           is held for a try, not for the waits between tries
//	Adaptive           measures the callee alone
//	Throttle           counts the callee's refusals, not those of policies
//	Timeout            bounds one try
//	Fault              is met by every policy, as a real one would be
//
// [Ordered] puts policies into it. Pipelines among the policies are flattened as by [Chain]. Policies of other
// packages are passed over.
func Check(policies ...Policy) []Warning {
	return Chain(policies...).Check()
}

// Check is the function [Check] for the pipeline's policies.
func (p *Pipeline) Check() []Warning {
	var kinds []kind
	for _, step := range p.steps {
		if k := kindOf(step); k != foreign {
			kinds = append(kinds, k)
		}
	}
	var warnings []Warning
	for i, outer := range kinds {
		for _, inner := range kinds[i+1:] {
			if why := misplaced(outer, inner); why != "" {
				warnings = append(warnings, Warning{outer.String(), inner.String(), why})
			}
		}
	}
	if retry := slices.Index(kinds, retryKind); retry >= 0 {
		around, within := slices.Contains(kinds[:retry], timeoutKind), slices.Contains(kinds[retry:], timeoutKind)
		if around && !within {
			warnings = append(warnings, Warning{timeoutKind.String(), retryKind.String(),
				"the first try that hangs takes the whole time; put a shorter Timeout inside the Retry, too"})
		}
	}
	return warnings
}

// kind is what a policy is, in the safe order from the outermost.
type kind int

const (
	foreign kind = iota
	fallbackKind
	cacheKind
	singleflightKind
	rateLimitKind
	retryKind
	hedgeKind
	breakerKind
	keyedBreakerKind
	bulkheadKind
	adaptiveKind
	throttleKind
	faultKind
	timeoutKind // has two places
)

// String is the name of the kind's type.
func (k kind) String() string {
	return [...]string{"", "Fallback", "Cache", "Singleflight", "RateLimit", "Retry", "Hedge", "Breaker",
		"KeyedBreaker", "Bulkhead", "Adaptive", "Throttle", "Fault", "Timeout"}[k]
}

func kindOf(p Policy) kind {
	switch p.(type) {
	case *Fallback:
		return fallbackKind
	case *Cache:
		return cacheKind
	case *Singleflight:
		return singleflightKind
	case *RateLimit, *KeyedRateLimit, Limit, Limits:
		return rateLimitKind
	case *Retry:
		return retryKind
	case *Hedge:
		return hedgeKind
	case *Breaker:
		return breakerKind
	case *KeyedBreaker:
		return keyedBreakerKind
	case *Bulkhead:
		return bulkheadKind
	case *Adaptive:
		return adaptiveKind
	case *Throttle:
		return throttleKind
	case *Fault:
		return faultKind
	case *Timeout:
		return timeoutKind
	}
	return foreign
}

// misplaced explains what is wrong with outer around inner, or returns "".
func misplaced(outer, inner kind) string {
	switch {
	case outer == inner && (outer == retryKind || outer == hedgeKind):
		return "their tries multiply; keep one"
	case outer == timeoutKind:
		if inner < rateLimitKind {
			return afterTimeout[inner]
		}
		return ""
	case inner == timeoutKind || outer <= inner:
		return ""
	}
	return tooFarIn(outer, inner)
}

// afterTimeout is what comes of a Timeout around the policies that are best
// outside of every one.
var afterTimeout = map[kind]string{
	fallbackKind:     "a call that times out is not replaced; put the Fallback outside",
	cacheKind:        "a stale answer cannot stand in for a call that times out; put the Cache outside",
	singleflightKind: "the shared call has no deadline, since it belongs to all who wait; put the Timeout inside",
}

// tooFarIn explains what comes of a policy that should be further out than the
// one around it.
func tooFarIn(outer, inner kind) string {
	switch inner {
	case fallbackKind:
		return fmt.Sprintf("the %v takes the stand-in for the callee's success; put the Fallback outside", outer)
	case cacheKind, singleflightKind:
		return fmt.Sprintf("the %v counts answers that the callee never gave; put the %v outside", outer, inner)
	case rateLimitKind:
		return fmt.Sprintf("the limit counts each try that the %v makes or lets through; put the RateLimit outside", outer)
	case retryKind:
		return aroundRetry(outer)
	case hedgeKind:
		return fmt.Sprintf("the %v takes a call and its hedge for one; put the Hedge outside", outer)
	}
	switch outer {
	case bulkheadKind, adaptiveKind:
		return fmt.Sprintf("calls wait for a place only to be refused by the %v; put the %v outside", inner, inner)
	case throttleKind:
		return fmt.Sprintf("the Throttle takes refusals of the %v for the callee's; put the Throttle inside", inner)
	case faultKind:
		return fmt.Sprintf("the %v does not meet the fault; put the Fault inside", inner)
	}
	return "" // a kind of breaker around the other: each has its own business
}

func aroundRetry(outer kind) string {
	switch outer {
	case hedgeKind:
		return "each hedge retries by itself, so tries multiply; put the Retry outside"
	case bulkheadKind, adaptiveKind:
		return fmt.Sprintf("a call keeps its place in the %v while it waits to try again; put the Retry outside", outer)
	case faultKind:
		return "the Retry does not meet the fault; put the Fault inside"
	}
	return fmt.Sprintf("the %v sees one result for several tries; put the Retry outside", outer)
}
