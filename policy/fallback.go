package policy

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
)

// FallbackConfig configures a [Fallback]. Replace, LastGood or both are
// required.
type FallbackConfig struct {
	// Name is what events call the fallback.
	Name string `yaml:"-"`
	// Replace is called with how the call ended. The value of that call is
	// discarded before, so its Result has none. The Result of Replace is a
	// [Success] unless it says otherwise; it may return what it was given to
	// leave the call as it ended.
	Replace func(context.Context, Result) Result `yaml:"-"`
	// LastGood answers with the last good answer to the same key, where there
	// is one, before Replace is called: see [FallbackLastGood].
	LastGood *LastGoodConfig `yaml:"-"`
	// On are the classes of results that are replaced. Ignored is never
	// replaced, because nobody waits for it any more. Default Failure and Shed.
	On []Class `yaml:"-"`
	// Observer is told of results that are replaced.
	Observer Observer `yaml:"-"`
}

// Validate returns a [FieldError] for each field that cannot be used, joined.
func (c FallbackConfig) Validate() error {
	var p problems
	p.unless(c.Replace != nil || c.LastGood != nil, "replace", "is missing: set it, lastGood or both")
	for _, class := range c.On {
		p.unless(class <= Shed, "on", "want Success, Failure or Shed, got %d", class)
	}
	if c.LastGood != nil {
		if err := within("lastGood", c.LastGood.Validate()); err != nil {
			p = append(p, err)
		}
	}
	return p.join()
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c FallbackConfig) WithDefaults() FallbackConfig {
	if len(c.On) == 0 {
		c.On = []Class{Failure, Shed}
	}
	if c.LastGood != nil {
		good := c.LastGood.WithDefaults()
		c.LastGood = &good
	}
	return c
}

// Fallback replaces the result of a call that failed or was refused by another
// one: a cached value, a default, a simpler service's answer. It never
// replaces an ignored result, because nobody waits for it any more.
type Fallback struct {
	setting atomic.Pointer[fallbackSetting]
	good    *answers // the last good ones
	events  events

	used, failed digest
}

// fallbackSetting is a config with the classes that it replaces.
type fallbackSetting struct {
	FallbackConfig
	on [Shed + 1]bool
}

// FallbackWith returns a Fallback, or the problems of its Config.
func FallbackWith(c FallbackConfig) (*Fallback, error) {
	f := &Fallback{good: newAnswers()}
	f.events.begin("fallback", c.Name, c.Observer)
	f.used.begin(&f.events, EventFallback, nil, func(e Event) string {
		return fmt.Sprintf("a %v was replaced: %s", e.Class, reasonOf(e.Err))
	})
	f.failed.begin(&f.events, EventFallbackFailed, nil, func(e Event) string {
		return fmt.Sprintf("a %v has no replacement that is a success: %s", e.Class, reasonOf(e.Err))
	})
	if err := f.Set(c); err != nil {
		return nil, err
	}
	return f, nil
}

// NewFallback is [FallbackWith] for a function alone, which it calls with how
// the call ended: see the Replace of a [FallbackConfig].
func NewFallback(replace func(context.Context, Result) Result) *Fallback {
	f, err := FallbackWith(FallbackConfig{Replace: replace})
	if err != nil {
		panic("policy: NewFallback without a function")
	}
	return f
}

// FallbackValue returns a Fallback that answers with a fixed value.
func FallbackValue(value any) *Fallback {
	return NewFallback(func(context.Context, Result) Result { return Result{Value: value} })
}

// Set changes the configuration for calls to come and keeps the last good
// answers. Name and Observer stay as they were.
func (f *Fallback) Set(c FallbackConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	s := &fallbackSetting{FallbackConfig: c.WithDefaults()}
	for _, class := range s.On {
		s.on[class] = class != Ignored
	}
	f.setting.Store(s)
	if good := s.LastGood; good != nil {
		f.good.kept.mu.Lock()
		f.good.shrink(good.EntriesMax, good.BytesMax)
		f.good.kept.mu.Unlock()
	}
	return nil
}

// On returns a Fallback that replaces results of these classes only; without
// On they are Failure and Shed. Ignored is never replaced.
func (f *Fallback) On(classes ...Class) *Fallback {
	c := f.setting.Load().FallbackConfig
	c.On = slices.Clone(classes)
	if len(classes) == 0 {
		c.On = []Class{Ignored}
	}
	g, err := FallbackWith(c)
	if err != nil {
		panic("policy: On: " + err.Error())
	}
	g.good = f.good
	return g
}

// Do makes the call and replaces its result if need be. A result that was
// replaced has Fallback set.
func (f *Fallback) Do(ctx context.Context, next Next) Result {
	r := next.Do(ctx)
	s := f.setting.Load()
	if s.LastGood != nil && r.Class == Success {
		f.remember(ctx, s.LastGood, r)
	}
	if r.Class > Shed || !s.on[r.Class] { // a classifier may say anything
		return r
	}
	r.Discard()
	ended := Result{Err: r.Err, Class: r.Class, RetryAfter: r.RetryAfter}
	replaced := f.replace(ctx, s, ended)
	counted := &f.used
	if replaced.Class != Success {
		counted = &f.failed
	}
	counted.happened(ctx, Event{Class: r.Class, Err: r.Err})
	replaced.Fallback = true
	return replaced
}

func (f *Fallback) replace(ctx context.Context, s *fallbackSetting, ended Result) Result {
	if s.LastGood != nil {
		if a := f.good.get(s.LastGood.Key(ctx)); a != nil && now() < a.fresh {
			return a.result
		}
	}
	if s.Replace == nil {
		return ended
	}
	return s.Replace(ctx, ended)
}

// FallbackStatus counts what a Fallback has done, for people.
type FallbackStatus struct {
	// Used is how many results were replaced, and Failed how many of the
	// replacements were no success either.
	Used, Failed uint64
}

// Status reports the counts. It changes nothing.
func (f *Fallback) Status() FallbackStatus {
	failed := f.failed.total.Load()
	return FallbackStatus{Used: f.used.total.Load() + failed, Failed: failed}
}
