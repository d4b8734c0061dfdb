package capacity

import "time"

// A request is one under way.
type request struct {
	entry    entry
	deadline time.Time // of the try
	repeats  int       // that are left
}

// again prepares the next try of a request, unless its try ended well, or badly
// for the last time.
func (r *request) again(o outcome, now time.Time, timeout time.Duration) bool {
	if r.repeats == 0 || o == ok || o == status4xx {
		return false
	}
	r.repeats--
	r.deadline = now.Add(timeout)
	return true
}

// A pool holds the connections to one target, and the requests that wait for
// one. Its methods are called with the generator's lock held.
type pool struct {
	gen     *Generator
	target  target
	conns   map[*conn]struct{} // all, at most Load.Connections
	idle    []*conn            // the last used first, so that few stay warm
	waiting []request          // in order of their deadlines, at most Load.InFlightMax
}

func newPool(g *Generator, t target) *pool {
	return &pool{gen: g, target: t, conns: make(map[*conn]struct{})}
}

// assign gives a request to a connection. It returns the connection if the
// caller must send; otherwise the request is dialled for, or waits.
func (p *pool) assign(r request) *conn {
	if last := len(p.idle) - 1; last >= 0 {
		c := p.idle[last]
		p.idle = p.idle[:last]
		c.begin(r)
		return c
	}
	if len(p.conns) < p.gen.load.Connections {
		p.open(r)
	} else {
		p.waiting = append(p.waiting, r)
	}
	return nil
}

// open adds a connection that begins with a request.
func (p *pool) open(r request) {
	c := newConn(p)
	c.begin(r)
	p.conns[c] = struct{}{}
	p.gen.readers.Go(c.serve)
}

// release takes back a connection whose request has ended. It reports whether
// the connection got a next request that its caller must send.
func (p *pool) release(c *conn) (again bool) {
	if len(p.waiting) == 0 {
		p.idle = append(p.idle, c)
		return false
	}
	c.begin(p.pop())
	return true
}

// remove forgets a connection, and opens one in its place if a request waits.
func (p *pool) remove(c *conn) {
	if _, found := p.conns[c]; !found {
		return
	}
	delete(p.conns, c)
	for i, other := range p.idle {
		if other == c {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			break
		}
	}
	if len(p.waiting) > 0 && !p.gen.closed {
		p.open(p.pop())
	}
}

func (p *pool) pop() request {
	r := p.waiting[0]
	p.waiting = p.waiting[1:]
	return r
}

// expire ends the tries whose deadline is over. It appends the requests that
// have ended with them to list, and the connections on which its caller must
// send those that have not to next.
func (p *pool) expire(now time.Time, list []entry, next []*conn) ([]entry, []*conn) {
	var late []request
	for len(p.waiting) > 0 && !now.Before(p.waiting[0].deadline) {
		late = append(late, p.pop())
	}
	for c := range p.conns {
		if c.busy && !now.Before(c.request.deadline) {
			late = append(late, c.request)
			c.abort()
			p.remove(c)
		}
	}
	for _, r := range late {
		if !r.again(timedOut, now, p.gen.load.Timeout) {
			list = append(list, r.entry)
		} else if c := p.assign(r); c != nil {
			next = append(next, c)
		}
	}
	return list, next
}

// close closes every connection and appends what was under way to list.
func (p *pool) close(list []entry) []entry {
	for len(p.waiting) > 0 {
		list = append(list, p.pop().entry)
	}
	for c := range p.conns {
		if c.busy {
			list = append(list, c.abort())
		} else {
			c.abort()
		}
		p.remove(c)
	}
	return list
}
