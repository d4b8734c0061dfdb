package simulate

import (
	"context"
	"errors"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

const (
	// patience is how long a client waits for a try, and naiveTries how often
	// one tries that does not know better.
	patience   = time.Second
	naiveTries = 3
)

// guard is what stands between users and a station: the policies of the
// clients and those before the service.
type guard struct {
	client, server *policy.Pipeline
	// told clients take a refusal for what it is. To the others it is one
	// failure more, to be repeated.
	told bool
}

// errRefused is a refusal as a client sees it that is not told.
var errRefused = errors.New("503")

// must panics with the problems of a Config: here they are all written by hand.
func must[P policy.Policy](p P, err error) P {
	if err != nil {
		panic(err)
	}
	return p
}

// naive is a client that tries three times whatever happens, with backoff and
// jitter.
func naive() *policy.Pipeline {
	return policy.Chain(
		must(policy.NewRetry(policy.RetryConfig{Attempts: naiveTries - 1, Delay: 100 * time.Millisecond, Budget: policy.BudgetConfig{Off: true}})),
		must(policy.NewTimeout(policy.TimeoutConfig{Timeout: patience})))
}

// careful is a client with Afloat's defaults.
func careful(more ...policy.Policy) *policy.Pipeline {
	policies := append([]policy.Policy{must(policy.NewRetry(policy.RetryConfig{}))}, more...)
	return policy.Chain(append(policies, must(policy.NewTimeout(policy.TimeoutConfig{Timeout: patience})))...)
}

func adaptive(c policy.AdaptiveConfig) *policy.Pipeline {
	return policy.Chain(must(policy.NewAdaptive(c)))
}

func throttle() policy.Policy { return must(policy.NewThrottle(policy.ThrottleConfig{})) }

func rateLimit(perSecond float64) *policy.Pipeline {
	return policy.Chain(must(policy.NewRateLimit(policy.RateLimitConfig{Requests: perSecond, Burst: 20})))
}

// call makes one call for a user, with all its tries, and returns how long the
// try took that was answered.
func (g *guard) call(ctx context.Context, s *station) (took time.Duration, err error) {
	return policy.Do(ctx, g.client, func(ctx context.Context) (time.Duration, error) {
		began := time.Now()
		_, err := policy.Do(ctx, g.server, func(ctx context.Context) (struct{}, error) { return struct{}{}, ask(ctx, s) })
		if rejected := (*policy.Rejected)(nil); !g.told && errors.As(err, &rejected) {
			err = errRefused
		}
		return time.Since(began), err
	})
}

// ask has the station serve a call, and waits as long as the context lasts.
func ask(ctx context.Context, s *station) error {
	select {
	case a := <-s.serve():
		switch {
		case a.failed:
			return errors.New("500")
		case a.missed:
			s.fill()
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
