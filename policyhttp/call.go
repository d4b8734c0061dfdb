package policyhttp

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/afloat-dev/afloat/policy"
)

// call is one request with all its tries. It is the context that the policies
// get, so that the steps of a Transport find it.
type call struct {
	context.Context // the caller's

	transport *Transport
	request   *http.Request
	inbound   *inbound // nil outside a Handler
	before    int      // tries before the first of this call, by those whom it serves
	may       bool     // be sent more than once
	replay    *replay  // nil where the body needs none
	tries     atomic.Int32
	final     atomic.Bool // a failure was not to be repeated

	body body // of the response that the caller gets
}

type callKey struct{}

func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// Value makes the call and its request known to those who get its context.
func (c *call) Value(key any) any {
	switch key.(type) {
	case callKey:
		return c
	case requestKey:
		return c.request
	}
	return c.Context.Value(key)
}

func (t *Transport) newCall(request *http.Request) *call {
	if t.config.IdempotencyKeys {
		request = withKey(request)
	}
	ctx := request.Context()
	c := &call{Context: ctx, transport: t, request: request, inbound: inboundOf(ctx)}
	if name := t.config.AttemptHeader; name != NoHeader {
		attempt := attemptOf(request.Header, name) // as a reverse proxy hands it on
		if c.inbound != nil {
			attempt = max(attempt, c.inbound.attempt)
		}
		c.before = attempt - 1
	}
	c.may = t.repeats && c.before == 0 && t.repeatable(request) && c.keepBody()
	return c
}

// keepBody prepares to send the body more than once and reports whether that
// can be done.
func (c *call) keepBody() bool {
	r, most := c.request, c.transport.config.BodyMax
	switch {
	case r.Body == nil, r.Body == http.NoBody, r.GetBody != nil:
		return true
	case most < 0, r.ContentLength > int64(most):
		return false
	}
	c.replay = &replay{source: r.Body, max: most, length: r.ContentLength} // of 0 means unknown
	return true
}

// repeatable reports whether the request may be sent once more now.
func (c *call) repeatable() bool {
	return c.may && (c.replay == nil || c.replay.whole())
}

// send makes one try.
func (c *call) send(ctx context.Context) (*http.Response, error) {
	n := int(c.tries.Add(1))
	if n > 1 && !c.may {
		return nil, ErrNotRepeatable
	}
	request, err := c.try(ctx, n)
	if err != nil {
		return nil, err
	}
	return c.transport.config.Base.RoundTrip(request)
}

// try is the request of try number n: the caller's own where nothing differs.
func (c *call) try(ctx context.Context, n int) (*http.Request, error) {
	header := c.header(ctx, c.before+n)
	if n == 1 && header == nil && c.replay == nil && ctx == context.Context(c) {
		return c.request, nil
	}
	request := c.request.WithContext(ctx)
	if header != nil {
		request.Header = header
	}
	switch {
	case c.replay != nil:
		request.Body = c.replay.reader()
	case n > 1 && request.GetBody != nil:
		body, err := request.GetBody()
		if err != nil {
			return nil, err
		}
		request.Body = body
	}
	return request, nil
}

// header is the request's with what a try adds to it, or nil when it adds
// nothing. The caller's header is not to be changed.
func (c *call) header(ctx context.Context, attempt int) http.Header {
	config := &c.transport.config
	deadline, timed := ctx.Deadline()
	timed = timed && config.TimeoutHeader != NoHeader
	again := attempt > 1 && config.AttemptHeader != NoHeader
	priority := ""
	if config.PriorityHeader != NoHeader {
		priority = priorityText(ctx)
	}
	// What a proxy hands on was claimed by a client. The Handler has judged it.
	claimed := priority == "" && c.inbound != nil && first(c.request.Header, config.PriorityHeader) != ""
	if !timed && !again && priority == "" && !claimed {
		return nil
	}
	header := make(http.Header, len(c.request.Header)+3)
	for name, values := range c.request.Header {
		header[name] = values
	}
	if timed {
		header[config.TimeoutHeader] = []string{timeoutText(deadline, config.TimeoutMargin)}
	}
	if again {
		header[config.AttemptHeader] = []string{strconv.Itoa(attempt)}
	}
	if priority != "" {
		header[config.PriorityHeader] = []string{priority}
	} else if claimed {
		delete(header, config.PriorityHeader)
	}
	return header
}

// finish closes the request's body, as a RoundTripper must, where no try does.
func (c *call) finish() {
	switch {
	case c.replay != nil:
		c.replay.finish()
	case c.tries.Load() == 0 && c.request.Body != nil:
		_ = c.request.Body.Close() // it was never read
	}
}

// hold ends the call when the response's body ends.
func (c *call) hold(response *http.Response, ending *policy.Ending) {
	if response.Body == nil || response.Body == http.NoBody {
		ending.End(nil)
		return
	}
	c.body.inner, c.body.ending = response.Body, ending
	c.body.caller, c.body.try = c.Context, c.Context
	if response.Request != nil {
		c.body.try = response.Request.Context()
	}
	response.Body = &c.body
	if w, ok := c.body.inner.(io.Writer); ok && response.StatusCode == http.StatusSwitchingProtocols {
		response.Body = &upgraded{&c.body, w}
	}
}

// report tells the Handler that is being served that a call has failed whose
// chances are used up: to repeat the whole would only multiply them.
func (c *call) report() {
	if c.inbound != nil {
		c.inbound.tried.Store(c.tries.Load())
	}
}
