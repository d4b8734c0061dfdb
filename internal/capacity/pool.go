package capacity

import "time"

// A request is one under way.
type request struct {
	entry    entry
	deadline time.Time
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

// expire ends the requests whose deadline is over and appends them to list.
func (p *pool) expire(now time.Time, list []entry) []entry {
	for len(p.waiting) > 0 && !now.Before(p.waiting[0].deadline) {
		list = append(list, p.pop().entry)
	}
	for c := range p.conns {
		if c.busy && !now.Before(c.request.deadline) {
			list = append(list, c.abort())
			p.remove(c)
		}
	}
	return list
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
