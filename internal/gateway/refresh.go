package gateway

import (
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// refresh asks for an answer anew that was just given although it is stale,
// unless that is being asked for already.
func (x *exchange) refresh(c *cache, key string) {
	f, leads := c.board("refresh\x00" + x.flightKey(key))
	if !leads {
		return
	}
	b := &exchange{session: x.session, client: &refresher{flight: f, drawn: x.drawn}, request: *x.request.Clone()}
	b.request.Method, b.request.Fields = "GET", unconditional(b.request.Fields)
	go func() {
		defer b.session.survive()
		defer c.land(f, nil)
		b.run(time.Now())
	}()
}

// unconditional takes away what asks for less than the whole answer.
func unconditional(fields []http1.Field) []http1.Field {
	rest := fields[:0]
	for _, f := range fields {
		if !names(f.Name, "if-none-match") && !names(f.Name, "if-modified-since") && !names(f.Name, "if-range") {
			rest = append(rest, f)
		}
	}
	return rest
}

// refresher is the client of a request that nobody waits for.
type refresher struct {
	nobody
	flight *flight
	drawn  uint64 // of the request whose answer it refreshes
}

func (*refresher) protocol() string { return "refresh" }

func (*refresher) respond(x *exchange, u upstream) (n int64, keep bool, err error) {
	n, err = x.pass(u, nowhere{})
	return n, false, err
}

// nowhere is where a body goes that is only kept.
type nowhere struct{}

func (nowhere) write([]byte) error { return nil }
func (nowhere) end(upstream) error { return nil }
