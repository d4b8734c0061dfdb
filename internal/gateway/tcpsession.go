package gateway

import (
	"crypto/tls"
	"net"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// serveTCP joins the client with an endpoint of the service that its listener,
// or the name that it asks for, leads to.
func (s *session) serveTCP(c *TCPConfig, wait time.Duration) {
	start := time.Now()
	wire, head, name, ok := s.named(c, wait)
	if !ok {
		return
	}
	s.conn = http1.NewConn(wire, &http1.Limits{})
	record := Record{
		Start: start, Client: s.client, Identity: s.identity, Listener: s.listener.address,
		Protocol: "TCP", Host: []byte(name),
	}
	to := s.enterTCP(name)
	if to == nil {
		record.Reason = ReasonNoRoute
		s.finishTCP(&record, s.listener.gateway.unrouted)
		return
	}
	defer to.service.leave()
	record.Route, record.Service = to.name, to.service.name
	s.forward(c, to.service, head, &record)
	s.finishTCP(&record, to.observer)
}

// named finds out which server the client asks for, where that matters, and
// returns what was read of the connection meanwhile.
func (s *session) named(c *TCPConfig, wait time.Duration) (wire net.Conn, head []byte, name string, ok bool) {
	if s.listener.keys.Load() == nil && len(c.ServerNames) > 0 {
		s.timed.readBy = time.Now().Add(wait)
		s.setIdle(true, time.Now()) // a drain need not wait for a client that says nothing
		head, name, err := readClientHello(s.timed)
		s.setIdle(false, time.Time{})
		if err != nil {
			s.listener.gateway.log.Debug("refused a connection", "listener", s.listener.address, "client", s.client, "why", err)
		}
		return s.timed, head, name, err == nil
	}
	if wire, ok = s.secure(wait); !ok {
		return nil, nil, "", false
	}
	if secured, ok := wire.(*tls.Conn); ok {
		name = secured.ConnectionState().ServerName
	}
	return wire, nil, name, true
}

// enterTCP returns where a connection goes, whose service stays until it is
// left, or nil.
func (s *session) enterTCP(name string) *tcpRoute {
	for {
		routes := s.listener.gateway.table.Load().tcp[s.listener.address]
		if routes == nil { // the listener drains
			return nil
		}
		to := routes.find(name)
		if to == nil || to.service.enter() {
			return to
		} // else a new table took the place of that one just now
	}
}

// forward connects to the service, and passes everything on.
func (s *session) forward(c *TCPConfig, to *service, head []byte, record *Record) {
	got := to.reach(s.listener.ctx, to.drawFor(s.client.Addr()))
	record.Tries, record.FirstByte = got.tries, time.Since(record.Start)
	if got.endpoint != nil {
		record.Endpoint = got.endpoint.address
	}
	u := got.conn
	if u == nil {
		record.Reason = got.reason
		s.listener.gateway.log.Debug("no endpoint takes a connection", "service", to.name, "client", s.client, "error", shortError(got.err))
		_ = s.timed.SetLinger(0) // a reset says more than an end
		return
	}
	defer got.endpoint.inFlight.Add(-1)
	defer u.pool.discard(u)
	s.hold(u)
	defer s.hold(nil)
	if s.closed.Load() {
		record.Reason = ReasonShuttingDown // cut meanwhile
		return
	}
	if c.ProxyProtocol != "" {
		head = append(appendProxyHeader(nil, c.ProxyProtocol, s.client, s.local()), head...)
	}
	if len(head) > 0 {
		if _, err := u.Write(head); err != nil {
			record.Reason = ReasonReset
			return
		}
	}
	record.RequestBytes, record.ResponseBytes = s.relay(u, c.WithDefaults().IdleTimeout)
}

// finishTCP tells of a connection that has ended.
func (s *session) finishTCP(record *Record, observer RequestObserver) {
	record.Duration = time.Since(record.Start)
	if s.closed.Load() && record.Reason == "" {
		record.Reason = ReasonShuttingDown
	}
	observer.Request(record)
}
