package alert

import (
	"testing"
	"time"
)

// run drives a detector a quarter of a second at a time. Each step says what the
// service does in it, and the outcome is told as a letter: d for down, u for up.
type outageStory struct {
	t       *testing.T
	o       *outages
	now     time.Time
	total   Total
	config  OutageConfig
	history string
}

func newStory(t *testing.T) *outageStory {
	return &outageStory{t: t, o: newOutages(), now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC),
		total: Total{Service: "cart", Able: 2, Endpoints: 2}, config: OutageConfig{}.WithDefaults()}
}

// lasts goes on for a time with so many good and bad requests a step.
func (s *outageStory) lasts(d time.Duration, good, bad, able int) *outageStory {
	for range d / tickEvery {
		s.now = s.now.Add(tickEvery)
		s.total.Requests += uint64(good + bad)
		s.total.Failed += uint64(bad)
		s.total.Harmed += uint64(bad)
		s.total.Able = able
		for _, a := range s.o.step([]Total{s.total}, s.now, s.config) {
			letter := "d"
			if a.ResolvedAt(s.now) {
				letter = "u"
			}
			if s.history == "" || s.history[len(s.history)-1:] != letter {
				s.history += letter
			}
		}
	}
	return s
}

func (s *outageStory) want(history string) {
	s.t.Helper()
	if s.history != history {
		s.t.Errorf("got %q, want %q", s.history, history)
	}
}

func TestOutageIsNoticedAndItsEnd(t *testing.T) {
	s := newStory(t).lasts(10*time.Second, 10, 0, 2)
	s.want("")
	s.lasts(1250*time.Millisecond, 0, 10, 2).want("")
	s.lasts(500*time.Millisecond, 0, 10, 2).want("d")
	s.lasts(10*time.Second, 0, 10, 2).want("d")
	s.lasts(1250*time.Millisecond, 10, 0, 2).want("du")
	s.lasts(10*time.Second, 10, 0, 2).want("du")
	s.lasts(3*time.Second, 0, 10, 2).want("dud")
}

func TestManyFailuresAreNoOutage(t *testing.T) {
	newStory(t).lasts(time.Minute, 1, 9, 2).want("")
}

func TestFewFailuresAreNoOutage(t *testing.T) {
	s := newStory(t).lasts(10*time.Second, 1, 0, 2)
	for range 10 {
		s.lasts(250*time.Millisecond, 0, 2, 2).lasts(10*time.Second, 0, 0, 2)
	}
	s.want("")
}

func TestClientsOwnFaultsAreNoOutage(t *testing.T) {
	s := newStory(t)
	for range 100 {
		s.now = s.now.Add(tickEvery)
		s.total.Requests += 50
		s.total.Failed += 50 // over their limit, all of them
		if told := s.o.step([]Total{s.total}, s.now, s.config); len(told) > 0 {
			t.Fatalf("told %v", told[0].Annotations)
		}
	}
}

func TestOneFailureIsEnoughWhereNoEndpointIsLeft(t *testing.T) {
	newStory(t).lasts(5*time.Second, 1, 0, 2).lasts(2*time.Second, 0, 0, 0).lasts(250*time.Millisecond, 0, 1, 0).
		lasts(time.Second, 0, 0, 0).want("d")
}

func TestServiceWithoutEndpointsIsDownEvenWhereNobodyAsks(t *testing.T) {
	s := newStory(t).lasts(5*time.Second, 1, 0, 2)
	s.lasts(29*time.Second, 0, 0, 0).want("")
	s.lasts(2*time.Second, 0, 0, 0).want("d")
	s.lasts(2*time.Second, 0, 0, 1).want("du")
}

// leaves is lasts for a service whose dead replicas leave the list.
func (s *outageStory) leaves(d time.Duration, good, bad int) *outageStory {
	s.total.Endpoints = 0
	s.lasts(d, good, bad, 0)
	s.total.Endpoints = 2
	return s
}

func TestServiceWhoseEndpointsAreGoneIsDown(t *testing.T) {
	s := newStory(t).lasts(5*time.Second, 1, 0, 2)
	s.leaves(250*time.Millisecond, 0, 1).leaves(time.Second, 0, 0).want("") // it may start again at once
	s.leaves(750*time.Millisecond, 0, 1).want("d")
	s.leaves(30*time.Second, 0, 0).leaves(time.Minute, 0, 1).want("d")
	s.lasts(2*time.Second, 0, 0, 1).want("du")
}

func TestSupervisedServiceIsDownEvenWhereNobodyAsks(t *testing.T) {
	s := newStory(t).lasts(5*time.Second, 1, 0, 2)
	s.leaves(5*time.Minute, 0, 0).want("") // elsewhere somebody may have scaled it to none
	s.total.Supervised = true
	s.lasts(5*time.Second, 1, 0, 2).leaves(29*time.Second, 0, 0).want("")
	s.leaves(2*time.Second, 0, 0).want("d")
	s.lasts(2*time.Second, 0, 0, 1).want("du")
}

func TestEndpointsThatPeopleTookOutAreMissedWhereSomebodyAsks(t *testing.T) {
	s := newStory(t).lasts(5*time.Second, 1, 0, 2)
	s.total.Drained = true
	s.leaves(5*time.Minute, 0, 0).leaves(250*time.Millisecond, 0, 1).leaves(time.Minute, 0, 0).want("")
	s.leaves(3*time.Second, 0, 5).want("d")
}

func TestOutageGoesOnAfterARestart(t *testing.T) {
	before := newStory(t).lasts(5*time.Second, 1, 0, 2).leaves(3*time.Second, 0, 1)
	before.want("d")
	open := &Alert{Name: nameOutage, Tier: P0, Service: "cart", FaultAt: before.now, Annotations: map[string]string{"description": "none is left"},
		Labels: map[string]string{"alertname": nameOutage, "tier": "P0", "service": "cart"}}
	s := newStory(t)
	s.o.recall(open)
	s.leaves(10*time.Minute, 0, 0).want("d")
	s.lasts(2*time.Second, 0, 0, 1).want("du")

	failing := newStory(t)
	failing.o.recall(open)
	failing.lasts(50*time.Second, 0, 0, 2).want("d") // nobody asks: nobody knows
	failing.lasts(time.Second, 0, 1, 2).want("d")
	failing.lasts(2*time.Second, 1, 0, 2).want("du")
}

func TestServiceThatStartsIsNotDown(t *testing.T) {
	newStory(t).lasts(5*time.Minute, 0, 0, 0).want("")
}

func TestSilenceOfClientsIsNoRecovery(t *testing.T) {
	s := newStory(t).lasts(5*time.Second, 5, 0, 2).lasts(3*time.Second, 0, 5, 2)
	s.want("d")
	s.lasts(50*time.Second, 0, 0, 2).want("d")
	s.lasts(15*time.Second, 0, 0, 2).want("du") // nobody can know, and nobody asks
}

func TestHalfOfTheRequestsMustGoWellAgain(t *testing.T) {
	s := newStory(t).lasts(5*time.Second, 5, 0, 2).lasts(3*time.Second, 0, 5, 2)
	s.lasts(30*time.Second, 1, 9, 2).want("d")
	s.lasts(2*time.Second, 6, 4, 2).want("du")
}

func TestServiceThatIsConfiguredNoMoreIsNotDown(t *testing.T) {
	s := newStory(t).lasts(5*time.Second, 5, 0, 2).lasts(3*time.Second, 0, 5, 2)
	told := s.o.step(nil, s.now, s.config)
	if len(told) != 1 || !told[0].ResolvedAt(s.now) || len(s.o.services) != 0 {
		t.Errorf("got %d told, %d remembered", len(told), len(s.o.services))
	}
}
