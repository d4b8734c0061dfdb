package main

import (
	"context"
	"time"
)

// storm is a fault, and the service and the users that it befalls.
type storm struct {
	name, title string
	// shape is the service's.
	shape shape
	// rate is the requests a second of ordinary users before the fault, and
	// critical that of users who come first.
	rate, critical float64
	// writes is the share of rate, 0 to 1, that may not be sent again.
	writes float64
	// surge multiplies rate during the fault, where the fault is surging.
	surge float64
	// repeats is how often users repeat what failed, at once.
	repeats int
	// lasts is how long the fault does, and tail how long users are watched
	// after it.
	lasts, tail time.Duration
	// well is within which time nearly all users are answered in calm.
	well time.Duration
	// after means that only those count who come after the fault: nobody could
	// serve the others.
	after bool
	// failedMax is a promise of its own: the greatest share of failed requests
	// through Afloat. 0 is none.
	failedMax float64
	// judged means that it matters how soon a gateway takes the replica out, and
	// that it leaves the others in.
	judged bool
	// takenOutMax is Afloat's promise of how soon, from the fault's begin; 0 is
	// none.
	takenOutMax time.Duration
	// quick means that the storm is part of the short run.
	quick bool
	// needs says why the storm cannot be here; nil needs nothing.
	needs func() error
	// play is the fault.
	play func(context.Context, *trial) error
}

// Services. The wide one has much more than it needs, so that only the fault
// matters; the small one can be overloaded by a load that this machine bears.
var (
	wide  = shape{replicas: 10, workers: 4, serviceTime: 20 * time.Millisecond}
	small = shape{replicas: 3, workers: 2, serviceTime: 40 * time.Millisecond}
	// eleven are as many as in Linkerd's test. Each has room for all requests
	// that wait in one that takes 2 s.
	eleven = shape{replicas: 11, workers: 256, serviceTime: 20 * time.Millisecond}
)

const (
	usual      = 500 // requests a second of the wide service, a quarter of what it bears
	usualSmall = 75  // of the small one, half of what it bears
	// critically is how many requests a second come first, of the 150 that the
	// small service bears.
	critically = 30
	// writing is the share of requests that no gateway may send again once a
	// replica could have them: a fault cannot be hidden from their users, only
	// found soon.
	writing = 0.2
)

// storms are all that there are, in this order.
var storms = []storm{
	ofReplica("kill", "replica killed, back later", killed, 100*time.Millisecond, true),
	ofReplica("hang", "replica hangs (SIGSTOP)", hanging, 400*time.Millisecond, true),
	ofReplica("slow", "replica ten times slower", misbehaving("slow=10"), time.Second, false),
	ofReplica("errors", "replica answers 30% errors", misbehaving("errors=0.3"), time.Second, true),
	ofReplica("errors50", "replica answers 50% errors", misbehaving("errors=0.5"), time.Second, false),
	blackhole(),
	ofReplica("flap", "replica up and down each second", flapping, 0, false),
	overload("overload2", "2 x overload", 2, false),
	overload("overload5", "5 x overload", 5, true),
	overload("overload10", "10 x overload", 10, false),
	{name: "outage", title: "all replicas killed, back later", shape: small, rate: 100, writes: writing, well: 400 * time.Millisecond,
		lasts: 3 * time.Second, tail: 7 * time.Second, play: allKilled},
	{name: "retries", title: "all hang, clients repeat 3 times", shape: small, rate: usualSmall, writes: writing, well: 400 * time.Millisecond,
		repeats: 3, lasts: 3 * time.Second, tail: 12 * time.Second, play: allHanging},
	{name: "linkerd", title: "Linkerd's test: one of 11 at 2 s", shape: eleven, rate: 1000, well: 150 * time.Millisecond,
		lasts: 30 * time.Second, tail: 2 * time.Second, failedMax: 0.001, play: misbehaving("slow=100")},
	{name: "rolling", title: "rolling restart of all replicas", shape: wide, rate: usual, writes: writing, well: 150 * time.Millisecond,
		lasts: 5 * time.Second, tail: 3 * time.Second, failedMax: 0.01, play: restarting},
	{name: "reload", title: "gateway reloaded 4 times a second", shape: wide, rate: usual, writes: writing, well: 150 * time.Millisecond,
		lasts: 4 * time.Second, tail: 2 * time.Second, failedMax: 0.01, play: reloading},
	{name: "stop", title: "gateway itself stopped for 5 s", shape: wide, rate: usual, writes: writing, well: 150 * time.Millisecond,
		lasts: 5 * time.Second, tail: 5 * time.Second, after: true, failedMax: 0.01, judged: true, play: frontHanging},
}

// ofReplica befalls one replica of the wide service.
func ofReplica(name, title string, play func(context.Context, *trial) error, takenOutMax time.Duration, quick bool) storm {
	return storm{name: name, title: title, shape: wide, rate: usual, writes: writing, well: 150 * time.Millisecond,
		lasts: 6 * time.Second, tail: 3 * time.Second, failedMax: 0.01, judged: true, takenOutMax: takenOutMax, quick: quick, play: play}
}

func blackhole() storm {
	s := ofReplica("blackhole", "packets to a replica dropped", blackholed, time.Second, false)
	s.needs = canBlock
	return s
}

// overload is more than the small service bears, of which the critical part is
// not.
func overload(name, title string, times float64, quick bool) storm {
	s := storm{name: name, title: title, shape: small, rate: usualSmall - critically, critical: critically, writes: writing,
		well: 400 * time.Millisecond, lasts: 5 * time.Second, tail: 4 * time.Second, quick: quick, play: surging}
	s.surge = (times*small.bears() - critically) / s.rate
	return s
}
