package capacity

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const ms = time.Millisecond

// play records one request every 10 ms of (fake) time; each ends with the given
// outcome after the given latency.
func play(rec *Recorder, length time.Duration, o outcome, latency time.Duration) {
	for range int(length / (10 * ms)) {
		now := time.Now()
		e := rec.begin(now, now)
		time.AfterFunc(latency, func() { rec.end(e, o, time.Now()) })
		time.Sleep(10 * ms)
	}
}

func TestRecorderCountsEveryOutcomeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := NewRecorder()
		for o := range outcomes {
			play(rec, time.Duration(o+1)*10*ms, o, ms)
		}
		now := time.Now()
		rec.begin(now, now)
		got := rec.Total()
		want := Stats{
			Requests: 37, OK: 1, Status4xx: 2, Shed: 3, Failed: 4 + 5 + 6, Status5xx: 4, Timeouts: 5, Broken: 6,
			Overrun: 7, Abandoned: 8, Pending: 1, Duration: 360 * ms,
		}
		ignore := cmpopts.IgnoreFields(Stats{}, "Start", "Latency", "LatencyOK", "Lag")
		if diff := cmp.Diff(want, got, ignore); diff != "" {
			t.Error(diff)
		}
		if share, want := got.FailureShare(), 22.0/28; share != want {
			t.Errorf("failure share = %v, want %v", share, want)
		}
		if share, want := got.ShedShare(), 3.0/28; share != want {
			t.Errorf("shed share = %v, want %v", share, want)
		}
	})
}

func TestRecorderLatencyCountsFromDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := NewRecorder()
		due := time.Now()
		time.Sleep(300 * ms)
		e := rec.begin(due, time.Now())
		time.Sleep(100 * ms)
		rec.end(e, ok, time.Now())
		s := rec.Total()
		if s.Latency.Max != 400*ms || s.Lag.Max != 300*ms || !s.Behind() {
			t.Errorf("latency %v, lag %v, behind %v", s.Latency.Max, s.Lag.Max, s.Behind())
		}
	})
}

func TestRecorderLatencyLeavesShedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := NewRecorder()
		play(rec, time.Second, shed, ms)
		play(rec, 100*ms, ok, 200*ms)
		play(rec, 100*ms, timedOut, 500*ms)
		time.Sleep(time.Second)
		s := rec.Total()
		if s.Latency.P50 < 200*ms || s.Latency.Max != 500*ms || s.LatencyOK.Max != 200*ms {
			t.Errorf("latency %+v, of ok %+v", s.Latency, s.LatencyOK)
		}
	})
}

func TestPhaseKeepsItsOwnRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := NewRecorder()
		play(rec, 100*ms, ok, ms) // before any phase
		before := rec.Phase("before")
		play(rec, time.Second, ok, 5*ms)
		fault := rec.Phase("fault")
		play(rec, 500*ms, timedOut, 800*ms) // ends within the next phase
		after := rec.Phase("after")
		play(rec, time.Second, ok, 5*ms)
		after.End()
		after.End()
		play(rec, time.Second, status5xx, ms) // after any phase

		type row struct {
			Name         string
			Requests, OK uint64
			Timeouts     uint64
			Rate         float64
			Duration     time.Duration
		}
		var got []row
		for _, p := range rec.Phases() {
			s := p.Stats()
			got = append(got, row{p.Name, s.Requests, s.OK, s.Timeouts, s.Rate(), s.Duration})
		}
		want := []row{
			{"before", 100, 100, 0, 100, time.Second},
			{"fault", 50, 0, 50, 100, 500 * ms},
			{"after", 100, 100, 0, 100, time.Second},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if before.Stats().Goodput() != 100 || fault.Stats().Goodput() != 0 {
			t.Errorf("goodput %v, in the fault %v", before.Stats().Goodput(), fault.Stats().Goodput())
		}
	})
}

func TestPhasesAreBounded(t *testing.T) {
	rec := NewRecorder()
	for range PhasesMax + 10 {
		rec.Phase("one of many")
	}
	if got := len(rec.Phases()); got != PhasesMax {
		t.Errorf("%d phases are kept, want %d", got, PhasesMax)
	}
}

func TestTimelineStepsAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := NewRecorder()
		play(rec, time.Second, ok, 3*ms)
		time.Sleep(time.Second) // silence shows as empty steps
		play(rec, 500*ms, status5xx, 3*ms)
		time.Sleep(50 * ms)

		var requests, failed []uint64
		for _, s := range rec.Timeline(500 * ms) {
			requests = append(requests, s.Requests)
			failed = append(failed, s.Failed)
		}
		if diff := cmp.Diff([]uint64{50, 50, 0, 0, 50, 0}, requests); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]uint64{0, 0, 0, 0, 50, 0}, failed); diff != "" {
			t.Error(diff)
		}
		line := rec.Timeline(500 * ms)
		if last := line[len(line)-1]; last.Duration != 50*ms {
			t.Errorf("the step that still fills lasts %v, want 50ms", last.Duration)
		}
	})
}

func TestTimelineForgetsTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := NewRecorder()
		begin := time.Now()
		now := time.Now()
		old := rec.begin(now, now)
		time.Sleep(TicksMax * Tick / 2)
		play(rec, time.Second, ok, ms)
		time.Sleep(TicksMax * Tick / 2)
		rec.end(old, ok, time.Now())

		line := rec.Timeline(Tick)
		if len(line) != TicksMax {
			t.Errorf("%d ticks, want %d", len(line), TicksMax)
		}
		var requests uint64
		for _, s := range line {
			requests += s.Requests
		}
		if requests != 100 || rec.Total().OK != 101 {
			t.Errorf("%d requests in the timeline, %d in total; want 100, 101", requests, rec.Total().OK)
		}
		if _, known := rec.HealedAfter(begin, Healthy{}); known {
			t.Error("a time before the timeline has an answer")
		}

		time.Sleep(3 * TicksMax * Tick)
		play(rec, 10*ms, ok, ms)
		if line := rec.Timeline(Tick); len(line) != TicksMax || line[0].Requests != 0 {
			t.Errorf("after a long silence: %d ticks, the first with %d requests", len(line), line[0].Requests)
		}
	})
}
