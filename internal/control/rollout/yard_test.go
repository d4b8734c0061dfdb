package rollout

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
	"github.com/afloat-dev/afloat/policy"
)

// yard stands for the supervisor and the gateway where time is made: its replicas
// take a second to start and to end.
type yard struct {
	mu      sync.Mutex
	sets    map[string]*yardSet
	split   *gateway.Split
	levers  int    // that were moved
	deathAt int    // the lever at which the loop dies; 0: none
	dead    bool   // no lever moves anything any more
	die     func() // called when it does
}

type yardSet struct {
	wanted   int
	broken   bool // its replicas do not get ready any more
	replicas []supervise.ReplicaStatus
	next     int
}

const yardTime = time.Second

func newYard() *yard { return &yard{sets: map[string]*yardSet{}} }

// errDead is what a loop gets that would be dead if it were a process.
var errDead = errors.New("dead")

// lever counts a lever. When its time has come, that and all further ones move
// nothing, and what is on disk at that moment is all that is left.
func (y *yard) lever() error {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.levers++
	if y.levers == y.deathAt {
		y.dead = true
		y.die()
	}
	if y.dead {
		return errDead
	}
	return nil
}

func (y *yard) isDead() bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.dead
}

// revive is a gateway and levers that are new.
func (y *yard) revive() {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.dead, y.split = false, nil
}

// lose ends all processes at once.
func (y *yard) lose() {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.sets = map[string]*yardSet{}
}

// shared is how traffic is split; nil where it is not.
func (y *yard) shared() *gateway.Split {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.split
}

// replicas are those of a set; none where there is no such set.
func (y *yard) replicas(set string) []supervise.ReplicaStatus {
	y.mu.Lock()
	defer y.mu.Unlock()
	if s := y.sets[set]; s != nil {
		return slices.Clone(s.replicas)
	}
	return nil
}

func (y *yard) Apply(all []supervise.Config) error {
	if err := y.lever(); err != nil {
		return err
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	for name, s := range y.sets {
		if !slices.ContainsFunc(all, func(c supervise.Config) bool { return c.Name == name }) {
			s.wanted = 0
		}
	}
	for _, c := range all {
		if y.sets[c.Name] == nil {
			y.sets[c.Name] = new(yardSet)
		}
		y.sets[c.Name].wanted = c.Replicas
	}
	y.move(time.Now())
	return nil
}

// move takes replicas on.
func (y *yard) move(now time.Time) {
	for name, s := range y.sets {
		for i := range s.replicas {
			if r := &s.replicas[i]; r.Phase == supervise.PhaseStarting && now.Sub(r.Since) >= yardTime && !s.broken {
				r.Phase, r.Since = supervise.PhaseReady, now
			}
		}
		s.replicas = slices.DeleteFunc(s.replicas, func(r supervise.ReplicaStatus) bool {
			return r.Phase == supervise.PhaseStopping && now.Sub(r.Since) >= yardTime
		})
		alive := func() (n int) {
			for _, r := range s.replicas {
				if r.Phase != supervise.PhaseStopping {
					n++
				}
			}
			return n
		}
		for alive() < s.wanted {
			s.next++
			s.replicas = append(s.replicas, supervise.ReplicaStatus{ID: s.next, Since: now})
		}
		for i := len(s.replicas) - 1; i >= 0 && alive() > s.wanted; i-- {
			if r := &s.replicas[i]; r.Phase != supervise.PhaseStopping {
				r.Phase, r.Since = supervise.PhaseStopping, now
			}
		}
		if s.wanted == 0 && len(s.replicas) == 0 {
			delete(y.sets, name)
		}
	}
}

// ruin breaks a set: none of its replicas gets ready any more, and with down
// those that are crash.
func (y *yard) ruin(set string, down bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	s := y.sets[set]
	s.broken = true
	for i := range s.replicas {
		if r := &s.replicas[i]; down && r.Phase == supervise.PhaseReady {
			r.Phase, r.Since = supervise.PhaseBackoff, time.Now()
		}
	}
}

func (y *yard) Status() (all []supervise.ServiceStatus) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.move(time.Now())
	for name, s := range y.sets {
		all = append(all, supervise.ServiceStatus{Name: name, Replicas: slices.Clone(s.replicas)})
	}
	return all
}

func (y *yard) SetSplit(_ string, c *gateway.Split) error {
	if err := y.lever(); err != nil {
		return err
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	y.split = c
	return nil
}

func (y *yard) Supply(string, []gateway.EndpointConfig) {}
func (y *yard) Drain(context.Context, string, string)   {}
func (y *yard) running() (sets []string) {
	for _, s := range y.Status() {
		sets = append(sets, s.Name)
	}
	slices.Sort(sets)
	return sets
}

// asks makes a try of a version known to the controller.
func asks(c *Controller, version string, class policy.Class) {
	c.arms.know("web", []gateway.EndpointConfig{{Address: version, Labels: map[string]string{gateway.VersionLabel: version}}})
	c.Observer().Endpoint("web", version).Try(class, 10*time.Millisecond)
}
