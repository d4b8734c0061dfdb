package supervise

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/afloat-dev/afloat/internal/handover"
)

// Keys of what a supervisor holds in its Store.
const (
	instanceKey   = "supervise instance"
	serviceKey    = "supervise service "
	replicaKey    = "supervise replica "
	instanceName  = "instance" // a file in Options.Dir
	instanceBytes = 256
)

// heldService is what must be known of a service beside its Config.
type heldService struct {
	NextID int `json:"nextID"`
	Scaled int `json:"scaled,omitempty"`
}

// heldReplica is a running process as one Afloat leaves it to the next. Its files are the reading ends of its output.
type heldReplica struct {
	Service string    `json:"service"`
	ID      int       `json:"id"`
	Config  Config    `json:"config"`
	Ports   []int     `json:"ports"`
	PID     int       `json:"pid"`
	Start   uint64    `json:"start"` // in clock ticks since boot
	Starts  int       `json:"starts"`
	Began   time.Time `json:"began"` // the process did
	Ready   bool      `json:"ready"`
	Reached bool      `json:"reached"` // it was ready once
	Since   time.Time `json:"since"`   // of the phase
	Streams bool      `json:"streams"`
	Marker  string    `json:"marker"`
	Cgroup  string    `json:"cgroup,omitempty"`
}

func (r *replica) key() string { return replicaKey + r.service.config.Name + "/" + strconv.Itoa(r.id) }

// remember holds a running replica, or tells how it stands now.
func (s *Supervisor) remember(r *replica, fresh bool) {
	m := r.machine
	held := heldReplica{
		Service: r.service.config.Name, ID: r.id, Config: r.config, Ports: r.ports, PID: m.pid, Start: r.life.process.start,
		Starts: m.starts, Began: m.startedAt, Ready: m.phase == PhaseReady, Reached: m.reached, Since: m.since, Streams: r.life.streams, Marker: r.life.marker,
	}
	if r.life.group != nil {
		held.Cgroup = r.life.group.dir
	}
	var err error
	if fresh {
		files := make([]syscall.Conn, len(r.life.readers))
		for i, f := range r.life.readers {
			files[i] = f
		}
		err = s.opts.Store.Put(r.key(), held, files...)
	} else {
		err = s.opts.Store.Set(r.key(), held)
	}
	if err != nil {
		s.opts.Logger.Warn("the replica cannot be taken over by another Afloat", "replica", r.life.prefix, "error", err)
	}
}

// rememberService holds what the next Afloat must know of a service.
func (s *Supervisor) rememberService(svc *service) {
	_ = s.opts.Store.Put(serviceKey+svc.config.Name, heldService{svc.nextID, svc.scaled}) // two numbers
}

// note follows an event of a replica in the store.
func (s *Supervisor) note(r *replica, kind EventKind) {
	switch kind {
	case EventStarted, EventRestarted, EventAdopted:
		s.remember(r, true)
	case EventReady, EventUnready:
		s.remember(r, false)
	case EventStopping, EventExited:
		s.opts.Store.Remove(r.key())
	}
}

// Inherit takes over what an earlier Afloat ran. Call it after Apply and before Serve, once, or not at all. What runs
// there already is taken over without a restart; what is not wanted any more is stopped, and what has another Config is
// replaced as in a rolling update. Replicas that ended meanwhile are started anew. alive says that the earlier Afloat
// still runs, and itself sees to what it does not hand over.
func (s *Supervisor) Inherit(in *handover.Inheritance, alive bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.elder = alive
	if e, ok := in.Take(instanceKey); ok {
		if err := json.Unmarshal(e.Value, &s.instance); err != nil {
			return fmt.Errorf("take over: the instance: %w", err)
		}
	}
	for _, key := range in.Keys(serviceKey) {
		e, _ := in.Take(key)
		if svc := s.services[strings.TrimPrefix(key, serviceKey)]; svc != nil {
			var held heldService
			if err := json.Unmarshal(e.Value, &held); err != nil {
				return fmt.Errorf("take over: %s: %w", key, err)
			}
			svc.nextID = max(svc.nextID, held.NextID)
			svc.scaled = held.Scaled
		}
	}
	for _, key := range in.Keys(replicaKey) {
		e, _ := in.Take(key)
		var held heldReplica
		if err := json.Unmarshal(e.Value, &held); err != nil {
			handover.CloseFiles(e.Files)
			return fmt.Errorf("take over: %s: %w", key, err)
		}
		s.adopt(held, e.Files)
	}
	for _, svc := range s.services {
		svc.rollout = newRollout(time.Now(), svc.headcount(time.Now()))
	}
	return nil
}

// adopt makes a replica of a process that runs. The mutex is held.
func (s *Supervisor) adopt(held heldReplica, files []*os.File) {
	now := time.Now()
	config := held.Config.WithDefaults()
	config.Name = held.Service
	process, err := openProcess(held.PID, held.Start)
	if err != nil || config.Validate() != nil {
		handover.CloseFiles(files)
		s.opts.Logger.Warn("a replica has ended meanwhile", "service", held.Service, "replica", held.ID, "pid", held.PID)
		return
	}
	svc := s.services[held.Service]
	if svc == nil {
		svc = newService(config, now)
		svc.removed = "service removed"
		s.services[held.Service] = svc
	}
	svc.nextID = max(svc.nextID, held.ID+1)
	r := &replica{service: svc, id: held.ID, config: config, revision: config.Revision(), ports: held.Ports, machine: newMachine(config)}
	s.ports.hold(held.Ports)
	l := newLife(&s.runner, config, r.id, held.Marker, held.Ports)
	l.process, l.readers, l.streams = process, files, held.Streams
	if held.Cgroup != "" {
		l.group = &group{held.Cgroup}
	}
	r.life = l
	svc.replicas = append(svc.replicas, r)
	s.adopted = append(s.adopted, r)
	if err := l.prepare(held.Ports); err != nil {
		s.opts.Logger.Warn("probes of the replica by commands will fail", "replica", l.prefix, "error", err)
	}
	r.machine.takeOver(held)
}

// resume drives what Inherit took over. The mutex is held.
func (s *Supervisor) resume() {
	for _, r := range s.adopted {
		l := r.life
		go l.follow(func(in input) { s.send(message{r, l, in}) })
		s.feed(r, input{kind: inAdopt, pid: l.process.pid})
	}
	s.adopted = nil
}

// Endpoints are the ready replicas of each service as they are now.
func (s *Supervisor) Endpoints() map[string][]Endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string][]Endpoint{}
	for name, svc := range s.services {
		out[name] = svc.readyNow()
	}
	return out
}
