package policy

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
)

// PolicyStatus is a policy's state at one moment, for a console: what every
// kind of policy has in common, and the kind's own figures.
type PolicyStatus struct {
	// Kind is the kind of policy, as in an [Event], and Name the one given in
	// its Config.
	Kind, Name string
	// State is one word: a breaker's state; "full" where calls have to wait or
	// are refused for want of a place, "limited" by a rate limit, "throttling",
	// "spent" for a budget; "keys-full"; else "ready".
	State string
	// Why says in words what led to the state, where the policy knows.
	Why string
	// Figures is the policy's own status, such as a [BreakerStatus]; nil for a
	// policy that has none.
	Figures any
}

// A Describer is a policy of another package that has a status to show.
type Describer interface{ Describe() PolicyStatus }

// Status reports the state of each of the pipeline's policies, in their order.
// It changes nothing.
func (p *Pipeline) Status() []PolicyStatus { return StatusOf(p.steps...) }

// Policies are the pipeline's policies, in their order.
func (p *Pipeline) Policies() []Policy { return slices.Clone(p.steps) }

// StatusOf reports the state of each of the policies, in their order. Pipelines
// and [Limits] among them are those that they consist of.
func StatusOf(policies ...Policy) []PolicyStatus {
	var all []PolicyStatus
	for _, p := range policies {
		switch p := p.(type) {
		case nil:
		case *Pipeline:
			all = append(all, p.Status()...)
		case Limits:
			for _, l := range p {
				all = append(all, describe(l))
			}
		default:
			all = append(all, describe(p))
		}
	}
	return all
}

const ready = "ready"

func describe(p Policy) PolicyStatus {
	switch p := p.(type) {
	case *Breaker:
		s := p.Status()
		return PolicyStatus{"breaker", p.events.name, s.State.String(), s.Why, s}
	case *KeyedBreaker:
		s := p.Status()
		return PolicyStatus{"breaker", p.rest.events.name, when(s.Keys >= s.KeysMax, EventKeysFull), "", s}
	case *Retry:
		s := p.Status()
		return PolicyStatus{"retry", p.events.name, s.Budget.state(), "", s}
	case *Hedge:
		s := p.Status()
		return PolicyStatus{"hedge", p.stragglers.events.name, s.Budget.state(), "", s}
	case *Timeout:
		s := p.Status()
		return PolicyStatus{"timeout", p.stragglers.events.name, when(s.Stragglers >= s.StragglersMax || s.Running >= s.RunningMax, "full"), "", s}
	case Limit:
		return p.describe()
	case *RateLimit:
		return p.Limit().describe()
	case *KeyedRateLimit:
		s := p.Total()
		return PolicyStatus{"ratelimit", p.refused.events.name, when(s.Keys >= s.KeysMax, EventKeysFull), "", s}
	case *Bulkhead:
		s := p.Status()
		return PolicyStatus{"bulkhead", p.refused.events.name, when(s.InFlight >= s.MaxConcurrent, "full"), "", s}
	case *Adaptive:
		s := p.Status()
		return PolicyStatus{"adaptive", p.refused.events.name, when(s.InFlight >= s.Limit, "full"), s.Why, s}
	case *Throttle:
		s := p.Status()
		return PolicyStatus{"throttle", p.refused.events.name, when(s.Odds > 0, "throttling"), s.Why, s}
	}
	return describeQuiet(p)
}

// describeQuiet is describe for policies that refuse nothing.
func describeQuiet(p Policy) PolicyStatus {
	switch p := p.(type) {
	case *Fallback:
		return PolicyStatus{"fallback", p.events.name, ready, "", p.Status()}
	case *Cache:
		return PolicyStatus{"cache", p.flights.stragglers.events.name, ready, "", p.Status()}
	case *Singleflight:
		return PolicyStatus{"singleflight", p.stragglers.events.name, ready, "", p.Status()}
	case *Fault:
		return PolicyStatus{"fault", p.events.name, ready, "", p.Status()}
	case Describer:
		return p.Describe()
	}
	return PolicyStatus{Kind: strings.TrimPrefix(fmt.Sprintf("%T", p), "*"), State: ready}
}

func (l Limit) describe() PolicyStatus {
	switch {
	case l.keyed != nil:
		return describe(l.keyed)
	case l.one != nil:
		s := l.one.Status()
		return PolicyStatus{"ratelimit", l.one.refused.events.name, when(s.RetryAfter > 0, "limited"), "", s}
	}
	return PolicyStatus{Kind: "ratelimit", State: ready}
}

// when is a state, or ready.
func when(holds bool, state string) string {
	if holds {
		return state
	}
	return ready
}

func (s BudgetStatus) state() string { return when(!s.Off && s.Left < 1, "spent") }

// MarshalText is the state as String has it.
func (s BreakerState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalText is the class as String has it.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// MarshalJSON writes an object with kind, name, state, why and figures. Names
// are in lower camel case, and durations text such as "1.5s".
func (s PolicyStatus) MarshalJSON() ([]byte, error) {
	object := struct {
		Kind    string         `json:"kind"`
		Name    string         `json:"name,omitempty"`
		State   string         `json:"state"`
		Why     string         `json:"why,omitempty"`
		Figures map[string]any `json:"figures,omitempty"`
	}{s.Kind, s.Name, s.State, s.Why, nil}
	if v := reflect.ValueOf(s.Figures); v.Kind() == reflect.Struct {
		object.Figures = figuresOf(v)
		delete(object.Figures, "state")
		delete(object.Figures, "why")
	}
	return json.Marshal(object)
}

// figuresOf is a status's fields as JSON has them.
func figuresOf(v reflect.Value) map[string]any {
	all := make(map[string]any, v.NumField())
	for i := range v.NumField() {
		name, value := lowerCamel(v.Type().Field(i).Name), v.Field(i)
		switch of := value.Interface().(type) {
		case time.Duration:
			all[name] = of.String()
		case encoding.TextMarshaler:
			all[name] = of
		default:
			if value.Kind() == reflect.Struct {
				all[name] = figuresOf(value)
			} else {
				all[name] = of
			}
		}
	}
	return all
}

// lowerCamel makes retryAfter of RetryAfter, and rtt of RTT.
func lowerCamel(name string) string {
	upper := strings.IndexFunc(name, unicode.IsLower)
	switch {
	case upper < 0:
		return strings.ToLower(name)
	case upper > 1:
		upper--
	}
	return strings.ToLower(name[:upper]) + name[upper:]
}
