// Package acme has certificates issued and renewed by authorities that speak
// ACME (RFC 8555).
//
//	wanted ─▶ Issuer ─▶ order ─▶ authority ─▶ file ─▶ gateway
//	                      └── questions ◀── authority
//
// A certificate and its key are a file, which the gateway reads again when it
// changes. What fails is tried again, after a pause that grows: authorities
// limit failures as well as certificates.
package acme

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/afloat-dev/afloat/internal/gateway"
)

const (
	look      = time.Second     // between two looks at what is wanted
	relook    = time.Minute     // until a file is read again: somebody else may have replaced it
	awayMin   = 5 * time.Second // after an authority was not reached
	pauseMin  = 2 * time.Minute // after the first failure: five in an hour is what Let's Encrypt allows
	pauseMax  = 6 * time.Hour
	orderTime = 3 * time.Minute
	ordersMax = 4 // under way
)

// Options are what an Issuer is given.
type Options struct {
	// Wanted returns what is to be issued now; it is asked again and again.
	Wanted func() []gateway.Issuance
	// Log is told of what is issued, and of what is not; nil discards.
	Log *slog.Logger
	// Pause is the wait after a first failure. It doubles with each that
	// follows, up to 6 h. Default 2m.
	Pause time.Duration
}

// Issuer keeps certificates valid. It is the gateway's [gateway.Challenges].
type Issuer struct {
	questions
	options  Options
	accounts sync.Mutex // held while the key of one is made

	mu     sync.Mutex // guards what follows
	states map[gateway.Issuance]*state
	orders map[string]bool // under way, by the file that they write
}

// state is how far a certificate is.
type state struct {
	next     time.Time // when to look again
	failures int       // since it was issued last
	away     int       // times in a row that the authority was not reached
}

// New returns an Issuer, which does nothing until it serves.
func New(o Options) *Issuer {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Pause == 0 {
		o.Pause = pauseMin
	}
	return &Issuer{options: o, states: map[gateway.Issuance]*state{}, orders: map[string]bool{}}
}

// Serve keeps what is wanted valid until ctx ends.
func (i *Issuer) Serve(ctx context.Context) error {
	var orders sync.WaitGroup
	defer orders.Wait()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		for _, want := range i.begin() {
			orders.Go(func() { i.issue(ctx, want) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// begin returns what is to be issued now, as far as there is room for its orders.
// Of what is wanted no more, nothing is remembered.
func (i *Issuer) begin() (due []gateway.Issuance) {
	wanted, now := i.options.Wanted(), time.Now()
	i.mu.Lock()
	defer i.mu.Unlock()
	states := map[gateway.Issuance]*state{}
	for _, want := range wanted {
		s := i.states[want]
		if s == nil {
			s = &state{}
		}
		states[want] = s
		if i.orders[want.File] || now.Before(s.next) {
			continue
		}
		if life := time.Until(renewAt(want)); life > 0 {
			*s = state{next: now.Add(min(life, relook))}
		} else if len(i.orders) < ordersMax {
			i.orders[want.File] = true
			due = append(due, want)
		}
	}
	i.states = states
	return due
}

// issue has a certificate issued, and tells of it.
func (i *Issuer) issue(ctx context.Context, want gateway.Issuance) {
	within, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	leaf, err := i.order(within, want, i.failures(want))
	again := i.end(want, err)
	switch {
	case ctx.Err() != nil: // Afloat ends
	case err != nil:
		i.options.Log.Error("certificate not issued", "host", want.Host, "authority", want.Directory, "again", again.Round(time.Second), "error", err)
	default:
		i.options.Log.Info("certificate issued", "host", want.Host, "authority", want.Directory, "until", leaf.NotAfter.UTC())
	}
}

func (i *Issuer) failures(want gateway.Issuance) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	if s := i.states[want]; s != nil {
		return s.failures
	}
	return 0
}

// end makes room for another order. It returns the pause after a failure.
func (i *Issuer) end(want gateway.Issuance, failure error) (pause time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.orders, want.File)
	s := i.states[want]
	if s == nil || failure == nil {
		return 0 // it is wanted no more, or will be looked at
	}
	if _, ok := errors.AsType[*url.Error](failure); ok { // it has counted nothing
		pause = min(awayMin<<min(s.away, 12), i.options.Pause)
		s.away++
		s.next = time.Now().Add(pause)
		return pause
	}
	pause = min(i.options.Pause<<min(s.failures, 12), pauseMax)
	if told, ok := errors.AsType[*acme.Error](failure); ok {
		if later, ok := acme.RateLimit(told); ok {
			pause = max(pause, later)
		}
	}
	s.failures, s.away = s.failures+1, 0
	s.next = time.Now().Add(pause)
	return pause
}

// renewAt is when two thirds of the life of the certificate in the file are
// over. One that is not there, or that is not the host's, is due at once.
func renewAt(want gateway.Issuance) time.Time {
	pair, err := tls.LoadX509KeyPair(want.File, want.File)
	if err != nil || pair.Leaf.VerifyHostname(want.Host) != nil {
		return time.Time{}
	}
	return pair.Leaf.NotBefore.Add(pair.Leaf.NotAfter.Sub(pair.Leaf.NotBefore) * 2 / 3)
}
