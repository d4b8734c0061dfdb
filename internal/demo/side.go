package demo

import (
	"context"
	"time"

	"github.com/afloat-dev/afloat/internal/capacity"
)

// well is when users notice nothing: no request fails, and each is answered in
// 250 ms, for 2 s on end.
var well = capacity.Healthy{
	Window:    250 * time.Millisecond,
	For:       2 * time.Second,
	ShedFails: true,
	P99Max:    250 * time.Millisecond,
}

// side is the users of one of the two services.
type side struct {
	recorder  *capacity.Recorder
	generator *capacity.Generator
}

// newSide makes users that come independently of each other, in the same
// moments on either side.
func newSide(targets []string, rate float64) (*side, error) {
	s := &side{recorder: capacity.NewRecorder()}
	var err error
	s.generator, err = capacity.NewGenerator(capacity.Load{
		Targets:     targets,
		Rate:        rate,
		Arrival:     capacity.Poisson,
		Seed:        1,
		Timeout:     patience,
		Connections: 4096,
		InFlightMax: 8192,
	}, s.recorder)
	return s, err
}

// wellNow reports whether the users have had no trouble for a second.
func (s *side) wellNow() bool {
	const span = time.Second
	lately := well
	lately.For = span
	after, ok := s.recorder.HealedAfter(time.Now().Add(-span-well.Window), lately)
	return ok && after < well.Window
}

// healed is how long after then users were well again, if that is known.
func (s *side) healed(then time.Time) (time.Duration, bool) {
	return s.recorder.HealedAfter(then, well)
}

// bears measures how many requests a second the replicas at the targets answer
// when each of them always has a few more waiting.
func bears(ctx context.Context, targets []string, lasting time.Duration) (float64, error) {
	recorder := capacity.NewRecorder()
	var all group
	defer all.end()
	for _, target := range targets {
		generator, err := capacity.NewGenerator(capacity.Load{
			Targets:     []string{target},
			Rate:        10 * workers / serviceTime.Seconds(),
			InFlightMax: 3 * workers,
			Timeout:     patience,
		}, recorder)
		if err != nil {
			return 0, err
		}
		all.run(ctx, generator.Serve)
	}
	pause(ctx, 300*time.Millisecond)
	p := recorder.Phase("saturated")
	pause(ctx, lasting)
	p.End()
	pause(ctx, 3*workers*serviceTime) // for the answers to what has begun
	return p.Stats().Goodput(), ctx.Err()
}

// pause waits, and reports whether ctx still goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
