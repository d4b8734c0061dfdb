package policyhttp

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// exchange is one request that is being served. It is the context that the
// policies and the handler get.
type exchange struct {
	context.Context // the request's

	handler  *Handler
	request  *http.Request
	response response
	inbound  inbound

	// What the answer means, from when the handler has returned: a policy that
	// has given the call up may ask when the writer is the server's again.
	class policy.Class
	after time.Duration

	mu      sync.Mutex
	idle    sync.Cond // with mu: the handler has returned
	running bool      // guarded
	over    bool      // guarded: the server has its writer back
	aborted bool      // guarded: the handler panicked to cut the connection
}

func newExchange(h *Handler, w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{Context: r.Context(), handler: h, request: r}
	x.idle.L = &x.mu
	x.inbound.attempt = 1
	if name := h.config.AttemptHeader; name != NoHeader {
		x.inbound.attempt = attemptOf(r.Header, name)
	}
	x.response = response{ResponseWriter: w, inbound: &x.inbound, attemptHeader: h.config.AttemptHeader}
	return x
}

// Value makes the request known to policies and to Transports.
func (x *exchange) Value(key any) any {
	switch key.(type) {
	case inboundKey:
		return &x.inbound
	case requestKey:
		return x.request
	}
	return x.Context.Value(key)
}

// serve runs the handler. The error is set when it wrote nothing and its time
// was up, or when it aborted.
func (x *exchange) serve(ctx context.Context) (result *exchange, err error) {
	if !x.begin() {
		return x, context.Canceled
	}
	defer func() {
		v := recover()
		aborted := v == http.ErrAbortHandler
		if aborted {
			result, err = x, http.ErrAbortHandler
		}
		x.end(aborted)
		if v != nil && !aborted {
			panic(v) // from here, with the stack that net/http logs
		}
	}()
	x.handler.next.ServeHTTP(x.response.writer(), x.request.WithContext(ctx))
	if !x.response.begun() && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return x, ctx.Err() // net/http would say 200
	}
	if !x.response.hijacked {
		x.class, x.after = x.handler.config.Classify(cmp.Or(x.response.status, http.StatusOK), x.response.Header())
	}
	return x, nil
}

// begin reports whether the handler may run. A detached Timeout may have given
// it up before it began.
func (x *exchange) begin() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.running = !x.over
	return x.running
}

func (x *exchange) end(aborted bool) {
	x.mu.Lock()
	x.running, x.aborted = false, aborted
	x.mu.Unlock()
	x.idle.Broadcast()
}

// takeBack waits for the handler and reports whether it aborted. A detached
// Timeout gives up a handler that still runs, but its writer is the server's
// again as soon as ServeHTTP returns.
func (x *exchange) takeBack() (aborted bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for x.running {
		x.idle.Wait()
	}
	x.over = true
	return x.aborted
}
