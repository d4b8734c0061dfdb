package supervise

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// firstConnect waits for a replica without a readiness probe to serve on its first port. It asks at once, and then at
// least every 50 ms.
var firstConnect = ProbeConfig{
	TCP: &TCPProbe{}, Period: 50 * time.Millisecond, Timeout: time.Second, SuccessThreshold: 1, FailureThreshold: 1,
}

// message is an input on its way to the loop.
type message struct {
	replica *replica
	life    *life // nil for those that are not about one process
	input   input
}

// send hands an input to the loop.
func (s *Supervisor) send(m message) {
	select {
	case s.inbox <- m:
	case <-s.done:
	}
}

// feed steps a replica's machine and does what it asks for.
func (s *Supervisor) feed(r *replica, in input) {
	in.at, in.random = time.Now(), rand.Float64()
	for _, e := range r.machine.step(in) {
		s.perform(r, e)
	}
}

func (s *Supervisor) perform(r *replica, e effect) {
	switch e.kind {
	case doStart:
		s.launch(r, e.fresh)
	case doProbeStartup:
		s.probe(r, r.config.Startup, probeStartup)
	case doProbeReadiness:
		if r.config.Readiness != nil {
			s.probe(r, r.config.Readiness, probeReadiness)
		} else {
			s.probe(r, &firstConnect, probeConnect)
		}
	case doProbeLiveness:
		s.probe(r, r.config.Liveness, probeLiveness)
	case doEndProbes:
		r.life.endProbes()
	case doStop:
		s.stop(r, e)
	case doRetry:
		time.AfterFunc(e.delay, func() { s.send(message{replica: r, input: input{kind: inRetry}}) })
	case doTell:
		s.note(r, e.event)
		s.notifier.event(Event{
			Time: r.machine.at, Kind: e.event, Service: r.service.config.Name, Replica: r.id,
			Revision: r.revision, PID: e.pid, Asked: e.asked, Why: e.why,
		})
	case doRemove:
		s.remove(r)
	}
}

// launch begins a new life, on the ports of the last one unless they are taken or nothing came of them.
func (s *Supervisor) launch(r *replica, fresh bool) {
	for _, port := range r.ports {
		fresh = fresh || !bindable(port)
	}
	var err error
	if fresh || r.ports == nil {
		s.ports.release(r.ports)
		r.ports, err = s.ports.take(max(1, len(r.config.Ports)))
	}
	l := newLife(&s.runner, r.config, r.id, s.marker(r), r.ports)
	r.life = l
	if err == nil {
		err = l.prepare(r.ports)
	}
	send := func(in input) { s.send(message{r, l, in}) }
	if err != nil {
		go send(input{kind: inStartFailed, why: err.Error()})
		return
	}
	go l.run(send)
}

// probeKind is what a probe's verdicts mean to the replica.
type probeKind struct {
	name      string
	good, bad inputKind
	once      bool // ends with its first success
	eager     bool // asks more often until its first success
}

var (
	probeStartup   = probeKind{name: "startup probe failed", good: inStartup, bad: inUnhealthy, once: true, eager: true}
	probeReadiness = probeKind{name: "readiness probe failed", good: inReady, bad: inUnready, eager: true}
	probeConnect   = probeKind{name: "not serving yet", good: inReady, bad: inUnready, once: true, eager: true}
	probeLiveness  = probeKind{name: "liveness probe failed", bad: inUnhealthy}
)

// probe begins a probe that ends with the replica's present process.
func (s *Supervisor) probe(r *replica, c *ProbeConfig, kind probeKind) {
	l := r.life
	ctx, cancel := context.WithCancel(l.probes)
	p := prober{config: *c, check: l.check(c), eager: kind.eager && c.SuccessThreshold == 1}
	p.report = func(ok bool, why string) {
		in := input{kind: kind.bad, why: kind.name + ": " + why, grace: c.Grace}
		if ok {
			in = input{kind: kind.good}
			if kind.once {
				cancel()
			}
		}
		s.send(message{r, l, in})
	}
	go func() {
		defer cancel()
		p.serve(ctx)
	}()
}

// check is the question of a probe to this process.
func (l *life) check(c *ProbeConfig) func(context.Context) error {
	switch {
	case c.HTTP != nil:
		addr := l.address(c.HTTP.Port)
		return func(ctx context.Context) error { return checkHTTP(ctx, c.HTTP, addr) }
	case c.TCP != nil:
		addr := l.address(c.TCP.Port)
		return func(ctx context.Context) error { return checkTCP(ctx, addr) }
	case c.GRPC != nil:
		addr := l.address(c.GRPC.Port)
		return func(ctx context.Context) error { return checkGRPC(ctx, c.GRPC, addr) }
	default:
		return func(ctx context.Context) error { return l.exec(ctx, c.Exec.Command) }
	}
}

// address is where the declared port is served; 0 means the first.
func (l *life) address(declared int) string {
	for _, p := range l.ports {
		if p.Declared == declared {
			return p.Addr
		}
	}
	return l.ports[0].Addr
}

// stop ends the present process. Draining waits until the callbacks know that the replica is no endpoint any more.
func (s *Supervisor) stop(r *replica, e effect) {
	l := r.life
	var told <-chan struct{}
	if e.drain {
		s.publish(r.service)
		told = s.notifier.told()
	}
	go l.stop(e.grace, told, func(in input) { s.send(message{r, l, in}) })
}

// marker is that of the replica's next process, which no other has had.
func (s *Supervisor) marker(r *replica) string {
	return fmt.Sprintf("%s/%s/%d/%d", s.instance, r.config.Name, r.id, r.machine.starts+1)
}

func (s *Supervisor) remove(r *replica) {
	s.ports.release(r.ports)
	list := r.service.replicas
	for i := range list {
		if list[i] == r {
			r.service.replicas = append(list[:i:i], list[i+1:]...)
			return
		}
	}
}

// publish tells of the endpoints when they have changed. Those that were left to another Afloat serve on.
func (s *Supervisor) publish(svc *service) {
	if s.yielded {
		return
	}
	if ready, changed := svc.endpoints(); changed {
		s.notifier.endpoints(svc.config.Name, ready)
	}
}
