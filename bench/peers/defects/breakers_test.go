package defects

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
	"github.com/alibaba/sentinel-golang/core/base"
	sentinel "github.com/alibaba/sentinel-golang/core/circuitbreaker"
	"github.com/alibaba/sentinel-golang/logging"
	eapache "github.com/eapache/go-resiliency/breaker"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	mercari "github.com/mercari/go-circuitbreaker"
	"github.com/slok/goresilience"
	slokbreaker "github.com/slok/goresilience/circuitbreaker"
	slokerrors "github.com/slok/goresilience/errors"
	"github.com/sony/gobreaker/v2"
)

// breaker is a circuit breaker of any make.
type breaker interface {
	// do makes the call or returns errRefused.
	do(call func() error) error
	// closed reports whether it is closed by its own word.
	closed() bool
	// openFor is how long it certainly takes until it lets a probe through.
	openFor() time.Duration
}

var (
	errRefused = errors.New("refused")
	errFailed  = errors.New("failed")
)

// breakerSpec is what a breaker is asked to do. It opens after five failures
// in a row, for ten seconds.
type breakerSpec struct {
	probes   int    // how many calls half-open may let through
	onChange func() // called at each change of state; nil: nothing
}

const (
	fails = 5
	open  = 10 * time.Second
)

// newBreaker makes a breaker of some make.
type newBreaker func(breakerSpec) breaker

// breakers are the makers of breakers of the libraries named.
func breakers(libraries ...string) []maker[newBreaker] {
	all := map[string]func(testing.TB, breakerSpec) breaker{
		afloat:                  newAfloat,
		"eapache":               newEapache,
		"failsafe":              newFailsafe,
		"gobreaker":             newGobreaker,
		"gobreaker rolling":     newGobreakerRolling,
		"gobreaker distributed": newGobreakerDistributed,
		"goresilience":          newGoresilience,
		"mercari":               newMercari,
		"sentinel":              newSentinel,
	}
	var makers []maker[newBreaker]
	for _, library := range libraries {
		makers = append(makers, maker[newBreaker]{library, library == "goresilience", func(tb testing.TB) newBreaker {
			return func(s breakerSpec) breaker { return all[library](tb, s) }
		}})
	}
	return makers
}

// made is a breaker made of functions.
type made struct {
	call  func(func() error) error
	state func() bool
}

func (m made) do(call func() error) error { return m.call(call) }
func (m made) closed() bool               { return m.state() }
func (m made) openFor() time.Duration     { return open * 3 / 2 } // Afloat's is spread by a tenth

// refusal turns a library's own refusal into errRefused.
func refusal(err error, refusals ...error) error {
	for _, r := range refusals {
		if errors.Is(err, r) {
			return errRefused
		}
	}
	return err
}

func newAfloat(tb testing.TB, s breakerSpec) breaker {
	c := policy.BreakerConfig{ConsecutiveFailures: fails, FailureRate: -1, OpenDuration: open, Probes: s.probes}
	if s.onChange != nil {
		c.Observer = func(policy.Event) { s.onChange() }
	}
	b, err := policy.NewBreaker(c)
	if err != nil {
		tb.Fatal(err)
	}
	return made{
		func(call func() error) error {
			_, err := policy.Do(context.Background(), b, func(context.Context) (any, error) { return nil, call() })
			return refusal(err, policy.ErrOpen)
		},
		func() bool { return b.Status().State == policy.BreakerClosed },
	}
}

func newEapache(_ testing.TB, s breakerSpec) breaker {
	b := eapache.New(fails, s.probes, open)
	return made{
		func(call func() error) error { return refusal(b.Run(call), eapache.ErrBreakerOpen) },
		func() bool { return b.GetState() == eapache.Closed },
	}
}

func newFailsafe(_ testing.TB, s breakerSpec) breaker {
	builder := circuitbreaker.NewBuilder[any]().WithFailureThreshold(fails).WithSuccessThreshold(uint(s.probes)).WithDelay(open)
	if s.onChange != nil {
		builder.OnStateChanged(func(circuitbreaker.StateChangedEvent) { s.onChange() })
	}
	b := builder.Build()
	executor := failsafe.With[any](b)
	return made{
		func(call func() error) error { return refusal(executor.Run(call), circuitbreaker.ErrOpen) },
		b.IsClosed,
	}
}

func gobreakerSettings(s breakerSpec) gobreaker.Settings {
	settings := gobreaker.Settings{Name: "b", MaxRequests: uint32(s.probes), Timeout: open,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= fails }}
	if s.onChange != nil {
		settings.OnStateChange = func(string, gobreaker.State, gobreaker.State) { s.onChange() }
	}
	return settings
}

func newGobreaker(_ testing.TB, s breakerSpec) breaker { return gobreakerOf(gobreakerSettings(s)) }

// newGobreakerRolling counts in a rolling window of a minute.
func newGobreakerRolling(_ testing.TB, s breakerSpec) breaker {
	settings := gobreakerSettings(s)
	settings.Interval, settings.BucketPeriod = time.Minute, 10*time.Second
	return gobreakerOf(settings)
}

func gobreakerOf(settings gobreaker.Settings) breaker {
	b := gobreaker.NewCircuitBreaker[any](settings)
	return made{
		func(call func() error) error {
			_, err := b.Execute(func() (any, error) { return nil, call() })
			return refusal(err, gobreaker.ErrOpenState, gobreaker.ErrTooManyRequests)
		},
		func() bool { return b.State() == gobreaker.StateClosed },
	}
}

// newGobreakerDistributed shares its state through a store that locks, as the
// one on Redis does.
func newGobreakerDistributed(tb testing.TB, s breakerSpec) breaker {
	b, err := gobreaker.NewDistributedCircuitBreaker[any](&sharedStore{data: map[string][]byte{}, locked: map[string]bool{}}, gobreakerSettings(s))
	if err != nil {
		tb.Fatal(err)
	}
	return made{
		func(call func() error) error {
			_, err := b.Execute(func() (any, error) { return nil, call() })
			return refusal(err, gobreaker.ErrOpenState, gobreaker.ErrTooManyRequests, errLocked)
		},
		func() bool { state, err := b.State(); return err == nil && state == gobreaker.StateClosed },
	}
}

// sharedStore is a gobreaker.SharedDataStore.
type sharedStore struct {
	mu     sync.Mutex
	data   map[string][]byte
	locked map[string]bool
}

var errLocked = errors.New("somebody else has the lock")

func (s *sharedStore) Lock(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locked[name] {
		return errLocked
	}
	s.locked[name] = true
	return nil
}

func (s *sharedStore) Unlock(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.locked, name)
	return nil
}

func (s *sharedStore) GetData(name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data[name], nil
}

func (s *sharedStore) SetData(name string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data[name] = data
	return nil
}

// newGoresilience opens when half of five calls in ten seconds have failed. It
// does not tell its state, and its goroutine runs for ever by the real clock.
func newGoresilience(_ testing.TB, s breakerSpec) breaker {
	return goresilienceBreaker{slokbreaker.New(slokbreaker.Config{ErrorPercentThresholdToOpen: 50, MinimumRequestToOpen: fails,
		SuccessfulRequiredOnHalfOpen: s.probes, WaitDurationInOpenState: openBriefly})}
}

const openBriefly = 20 * time.Millisecond

type goresilienceBreaker struct{ runner goresilience.Runner }

func (b goresilienceBreaker) do(call func() error) error {
	err := b.runner.Run(context.Background(), func(context.Context) error { return call() })
	return refusal(err, slokerrors.ErrCircuitOpen)
}

func (b goresilienceBreaker) closed() bool           { panic("goresilience does not tell") }
func (b goresilienceBreaker) openFor() time.Duration { return 2 * openBriefly }

func newMercari(_ testing.TB, s breakerSpec) breaker {
	options := []mercari.BreakerOption{
		mercari.WithTripFunc(mercari.NewTripFuncConsecutiveFailures(fails)),
		mercari.WithCounterResetInterval(-1),
		mercari.WithHalfOpenMaxSuccesses(int64(s.probes)),
		mercari.WithOpenTimeout(open),
	}
	if s.onChange != nil {
		options = append(options, mercari.WithOnStateChangeHookFn(func(mercari.State, mercari.State) { s.onChange() }))
	}
	b := mercari.New(options...)
	return made{
		func(call func() error) error {
			_, err := b.Do(context.Background(), func() (any, error) { return nil, call() })
			return refusal(err, mercari.ErrOpen)
		},
		func() bool { return b.State() == mercari.StateClosed },
	}
}

var resources atomic.Int64

// newSentinel has a resource of its own, with a chain of nothing but the
// breaker. One probe is what it does when it is given no number.
func newSentinel(tb testing.TB, s breakerSpec) breaker {
	rule := &sentinel.Rule{Resource: fmt.Sprintf("r%d", resources.Add(1)), Strategy: sentinel.ErrorCount,
		RetryTimeoutMs: uint32(open.Milliseconds()), MinRequestAmount: fails, StatIntervalMs: 10_000, Threshold: fails}
	if s.probes > 1 {
		rule.ProbeNum = uint64(s.probes)
	}
	logging.ResetGlobalLoggerLevel(logging.ErrorLevel)
	if _, err := sentinel.LoadRulesOfResource(rule.Resource, []*sentinel.Rule{rule}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = sentinel.ClearRulesOfResource(rule.Resource) })
	listener := &sentinelListener{resource: rule.Resource, onChange: s.onChange}
	sentinel.RegisterStateChangeListeners(listener)
	tb.Cleanup(sentinel.ClearStateChangeListeners)
	chain := base.NewSlotChain()
	chain.AddRuleCheckSlot(sentinel.DefaultSlot)
	chain.AddStatSlot(sentinel.DefaultMetricStatSlot)
	return made{
		func(call func() error) error {
			ctx := chain.GetPooledContext()
			ctx.Resource = base.NewResourceWrapper(rule.Resource, base.ResTypeCommon, base.Outbound)
			entry := base.NewSentinelEntry(ctx, ctx.Resource, chain)
			ctx.SetEntry(entry)
			defer entry.Exit()
			if r := chain.Entry(ctx); r != nil && r.IsBlocked() {
				return errRefused
			}
			err := call()
			if err != nil {
				entry.SetError(err)
			}
			return err
		},
		func() bool { return listener.state.Load() == int32(sentinel.Closed) },
	}
}

// sentinelListener knows the state of one resource's breaker.
type sentinelListener struct {
	resource string
	onChange func()
	state    atomic.Int32
}

func (l *sentinelListener) told(resource string, state sentinel.State) {
	if resource != l.resource {
		return
	}
	l.state.Store(int32(state))
	if l.onChange != nil {
		l.onChange()
	}
}

func (l *sentinelListener) OnTransformToClosed(_ sentinel.State, r sentinel.Rule) {
	l.told(r.Resource, sentinel.Closed)
}

func (l *sentinelListener) OnTransformToOpen(_ sentinel.State, r sentinel.Rule, _ any) {
	l.told(r.Resource, sentinel.Open)
}

func (l *sentinelListener) OnTransformToHalfOpen(_ sentinel.State, r sentinel.Rule) {
	l.told(r.Resource, sentinel.HalfOpen)
}
