package gateway

import "time"

// Leave makes the end of Serve one that clients do not notice, since another
// process takes connections on the same sockets by now: a connection that waits
// for a request is not closed at once, but may make one more, whose answer says
// that it is the last. After half of the drain timeout the end goes on as any
// other.
func (g *Gateway) Leave() { g.succeeded.Store(true) }

// leave takes no more connections and lets those that there are end by
// themselves.
func (l *listener) leave() {
	l.leaving.Store(true)
	_ = l.gateway.sockets.Close(l.tcp)
	l.mu.Lock()
	l.room.Broadcast()
	l.mu.Unlock()
	until := time.Now().Add(l.config.Load().DrainTimeout / 2)
	for time.Now().Before(until) {
		left := l.some(func(*session) bool { return true })
		if len(left) == 0 {
			return
		}
		for _, s := range left {
			s.warn()
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// warn tells a client of HTTP/2 or HTTP/3 once to make its next requests
// elsewhere.
func (s *session) warn() {
	if s.packets != nil {
		s.packets.retire()
		return
	}
	if m := s.metered.Load(); m != nil && m.due.CompareAndSwap(false, true) {
		go m.warn() // it may have to wait for what is being written
	}
}

// goAway is a GOAWAY that still allows every request, so that none that is on
// its way is lost (RFC 9113, section 6.8): the highest of streams, no error.
// That of net/http, which names the last request, comes when the listener ends.
var goAway = []byte{0, 0, 8, frameGoAway, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0}

// warn sends it, now or after the next frame.
func (m *metered) warn() {
	m.writing.Lock()
	defer m.writing.Unlock()
	_ = m.warnNow() // who reads or writes next sees that the connection has failed
}

// warnNow sends what is due, if no other frame is half written and the first
// one, the server's settings, is out.
func (m *metered) warnNow() error {
	if m.warned || !m.due.Load() || !m.begun || m.out.skip > 0 || m.out.have > 0 {
		return nil
	}
	m.warned = true
	_, err := m.Conn.Write(goAway)
	return err
}

// last reports whether an answer is the last of its connection because the
// listener ends.
func (l *listener) last() bool { return l.leaving.Load() || l.ending.Load() }
