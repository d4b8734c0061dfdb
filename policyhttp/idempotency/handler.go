// Package idempotency lets clients repeat a POST or a PATCH without doing it
// twice: the request carries an Idempotency-Key, the first one with a key is
// served, and every repeat gets the first one's answer. The header is that of
// draft-ietf-httpapi-idempotency-key-header-07.
//
// Clients send a key by themselves, or let a policyhttp.Transport do it whose
// Config says IdempotencyKeys.
package idempotency

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// Header is the header of a request that holds the key.
	Header = "Idempotency-Key"
	// ReplayedHeader is "true" on an answer that was kept from an earlier
	// request. Its name is the one that clients of Stripe's API know.
	ReplayedHeader = "Idempotent-Replayed"
)

// Handler is an [http.Handler] that serves each key once. It is safe for
// concurrent use.
//
// The handler within runs to its end even when its client goes, since a
// repeat will ask for the answer: its context ends with the Lease alone. What
// it answers goes to the client as it is written, and a copy to the Store. A
// panic, and an answer that is not to be kept, free the key.
type Handler struct {
	config  Config
	next    http.Handler
	waiting atomic.Int64
}

// NewHandler returns a Handler around next, or the problems of its Config.
func NewHandler(next http.Handler, c Config) (*Handler, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Handler{config: c.WithDefaults(), next: next}, nil
}

type keyOfContext struct{}

// Key returns the key of the request that a Handler is serving with the
// context; empty without one. A handler derives from it the keys of what it
// asks of others, so that these know a repeat, too, when it is run again.
func Key(ctx context.Context) string {
	key, _ := ctx.Value(keyOfContext{}).(string)
	return key
}

// ServeHTTP serves the request, or answers as its key was answered before.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !slices.Contains(h.config.Methods, r.Method) {
		h.next.ServeHTTP(w, r)
		return
	}
	key, given, err := keyOf(r.Header)
	switch {
	case err != nil:
		h.refuse(w, r, &Problem{Status: http.StatusBadRequest, Detail: err.Error()})
	case given:
		h.serve(w, r, key)
	case h.config.Required:
		h.refuse(w, r, errMissing)
	default:
		h.next.ServeHTTP(w, r)
	}
}

// serve serves a request that has a key.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, key string) {
	r = r.WithContext(context.WithValue(r.Context(), keyOfContext{}, key))
	fingerprint, err := h.read(r)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	stored := storedKey(h.config.Client(r), key)
	claim := Entry{Owner: rand.Text(), Fingerprint: fingerprint}
	held, until, err := h.claim(r.Context(), stored, claim)
	switch {
	case err != nil:
		h.refuse(w, r, err)
	case held.Owner == claim.Owner:
		h.run(w, r, stored, claim, until)
	default:
		h.replay(w, r, held)
	}
}

// claim takes the key until some time, or returns the entry of the request that
// was answered. It waits for one that is being served, since that may free the
// key yet.
func (h *Handler) claim(ctx context.Context, stored string, claim Entry) (held Entry, until time.Time, err error) {
	held, until, err = h.look(ctx, stored, claim)
	if err != errRunning || h.config.Wait < 0 {
		return held, until, err
	}
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > int64(h.config.WaitingMax) {
		return held, until, errRunning
	}
	patience := time.NewTimer(h.config.Wait)
	defer patience.Stop()
	next := time.NewTimer(pauseMin)
	defer next.Stop()
	for pause := pauseMin; err == errRunning; next.Reset(pause) {
		select {
		case <-next.C:
			held, until, err = h.look(ctx, stored, claim)
			pause = min(2*pause, pauseMax)
		case <-patience.C:
			return held, until, errRunning
		case <-ctx.Done():
			return held, until, &Problem{Status: http.StatusServiceUnavailable, Err: ctx.Err()}
		}
	}
	return held, until, err
}

const (
	// pauseMin and pauseMax are how often a request that waits looks whether
	// the one before it is done.
	pauseMin = 5 * time.Millisecond
	pauseMax = 200 * time.Millisecond
)

// look tries to take the key once. The error is errRunning while another
// request has it.
func (h *Handler) look(ctx context.Context, stored string, claim Entry) (held Entry, until time.Time, err error) {
	until = time.Now().Add(h.config.Lease) // no later than by the clock of the Store, which begins after this
	held, err = h.config.Store.Claim(ctx, stored, claim, h.config.Lease)
	switch {
	case err != nil:
		err = &Problem{Status: http.StatusServiceUnavailable, RetryAfter: time.Second, Err: fmt.Errorf("claim a key: %w", err)}
	case held.Fingerprint != claim.Fingerprint:
		err = errReused
	case held.Owner != claim.Owner && len(held.Answer) == 0:
		err = errRunning
	}
	return held, until, err
}

// run serves the request whose claim holds the key, and keeps its answer.
func (h *Handler) run(w http.ResponseWriter, r *http.Request, stored string, claim Entry, until time.Time) {
	ctx, cancel := context.WithDeadline(context.WithoutCancel(r.Context()), until)
	defer cancel()
	recording := newRecording(w, h.config.AnswerMax)
	returned := false
	defer func() { // also when the handler panics, or ends its goroutine
		h.settle(r, stored, claim, recording, returned)
	}()
	h.next.ServeHTTP(recording, r.WithContext(ctx))
	recording.finish()
	returned = true
}

// settle keeps the answer or frees the key. The answer has been sent by now: a
// store that fails can only be reported.
func (h *Handler) settle(r *http.Request, stored string, claim Entry, recording *recording, returned bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), settleTimeout)
	defer cancel()
	err := h.keep(ctx, stored, claim, &recording.answer, returned)
	if err != nil {
		h.config.Logger.WarnContext(ctx, "idempotency: cannot settle a key", "method", r.Method, "path", r.URL.Path, "error", err)
	}
}

func (h *Handler) keep(ctx context.Context, stored string, claim Entry, a *answer, returned bool) error {
	if !returned || !h.config.Keep(a.Status, a.Header) {
		return h.config.Store.Release(ctx, stored, claim.Owner)
	}
	claim.Answer = a.encode()
	err := h.config.Store.Complete(ctx, stored, claim, h.config.KeepFor)
	if !errors.Is(err, ErrFull) || a.Lost {
		return err
	}
	claim.Answer = (&answer{Lost: true}).encode() // at least that it was done
	return h.config.Store.Complete(ctx, stored, claim, h.config.KeepFor)
}

// settleTimeout bounds how long the Store may take after an answer.
const settleTimeout = 5 * time.Second

// replay answers as the key was answered before.
func (h *Handler) replay(w http.ResponseWriter, r *http.Request, held Entry) {
	kept, err := decode(held.Answer)
	switch {
	case err != nil:
		h.refuse(w, r, &Problem{Status: http.StatusServiceUnavailable, Err: err})
	case kept.Lost:
		h.refuse(w, r, errLost)
	default:
		kept.write(w)
	}
}
