package policyhttp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"github.com/afloat-dev/afloat/policy"
)

// Idempotent reports whether a request may be sent more than once by what it
// says itself: its method is idempotent (RFC 9110, 9.2.2), or it has an
// Idempotency-Key, by which the callee knows a repeat.
func Idempotent(r *http.Request) bool {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodTrace:
		return true
	}
	return r.Header.Get("Idempotency-Key") != "" || r.Header.Get("X-Idempotency-Key") != ""
}

// withKey returns the request with a fresh Idempotency-Key if its method needs
// one and it has none. All tries of the call send the same.
func withKey(r *http.Request) *http.Request {
	if Idempotent(r) || r.Method == http.MethodConnect {
		return r
	}
	var id [16]byte
	_, _ = rand.Read(id[:])                         // it never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // a UUID of version 4 (RFC 9562, 5.4)
	keyed := r.WithContext(r.Context())
	keyed.Header = r.Header.Clone()
	if keyed.Header == nil {
		keyed.Header = http.Header{}
	}
	keyed.Header["Idempotency-Key"] = []string{fmt.Sprintf(`"%x-%x-%x-%x-%x"`, id[:4], id[4:6], id[6:8], id[8:10], id[10:])}
	return keyed
}

// WithRepeatable says for the requests made with the context whether they may
// be sent more than once, whatever their method. It is [policy.WithRepeatable].
func WithRepeatable(ctx context.Context, repeatable bool) context.Context {
	return policy.WithRepeatable(ctx, repeatable)
}

func (t *Transport) repeatable(r *http.Request) bool {
	if told, ok := policy.Repeatable(r.Context()); ok {
		return told
	}
	return t.config.Repeatable(r)
}

// retrying is a Retry for those requests that may be repeated. The others pass
// it by.
type retrying struct{ *policy.Retry }

// Do makes the call, and reports one that failed for good.
func (p retrying) Do(ctx context.Context, next policy.Next) policy.Result {
	c := callOf(ctx)
	may := c.repeatable()
	var r policy.Result
	if may {
		r = p.Retry.Do(ctx, next)
	} else {
		r = next.Do(ctx)
	}
	final := c.final.Load()
	if final && r.Class == policy.Ignored && ctx.Err() == nil {
		r.Class = policy.Failure // as it was before lastWord hid it
	}
	if (r.Class == policy.Failure || r.Class == policy.Shed) && (may || final || c.before > 0) {
		c.report()
	}
	return r
}

// lastWord hides from the Retry before it that a try failed which must not be
// repeated: the policies further in have counted the failure already.
type lastWord struct{}

// Do makes the try.
func (lastWord) Do(ctx context.Context, next policy.Next) policy.Result {
	r := next.Do(ctx)
	if c := callOf(ctx); r.Class == policy.Failure && c.lasting(r) {
		c.final.Store(true)
		r.Class = policy.Ignored
	}
	return r
}

// lasting reports whether a failure would be the same, or worse, if it were
// repeated: the body cannot be sent again, the callee has used up its own
// tries, or it is not who it should be.
func (c *call) lasting(r policy.Result) bool {
	if response, ok := r.Value.(*http.Response); ok && response != nil {
		return first(response.Header, c.transport.config.AttemptHeader) != "" || !c.repeatable()
	}
	_, stranger := errors.AsType[*tls.CertificateVerificationError](r.Err)
	return stranger || !c.repeatable()
}

// hedging is a Hedge for those requests that may be repeated and whose body,
// if any, can be sent while another try sends it. The others pass it by.
type hedging struct{ *policy.Hedge }

// Do makes the call.
func (p hedging) Do(ctx context.Context, next policy.Next) policy.Result {
	if c := callOf(ctx); !c.may || c.replay != nil && !c.replay.complete() {
		return next.Do(ctx)
	}
	return p.Hedge.Do(ctx, next)
}
