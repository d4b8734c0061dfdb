package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// network is what a listener listens by: one family where it must ask for
// original destinations, which differ by that.
func (c *ListenerConfig) network(address string) (string, error) {
	if c.Transparent == nil {
		return "tcp", nil
	}
	if err := checkMark(); err != nil {
		return "", err
	}
	if netip.MustParseAddrPort(address).Addr().Is4() { // validated
		return "tcp4", nil
	}
	return "tcp6", nil
}

// checkTransparent refuses what cannot change while a listener runs.
func (g *Gateway) checkTransparent(c *Config) error {
	for _, lc := range c.Listeners {
		address, _ := ListenAddress(lc.Address) // validated
		l := g.listeners[address]
		switch {
		case l == nil:
		case (l.passthrough != nil) != (lc.Transparent != nil):
			return fmt.Errorf("listener %s: transparent begins and ends with a restart", address)
		case l.passthrough != nil && l.passthrough.name != lc.Transparent.WithDefaults().Name:
			return fmt.Errorf("listener %s: the name of a transparent listener changes with a restart", address)
		}
	}
	return nil
}

// redirected finds out where the session's connection was to go, and reports
// whether requests are to be read from it. One that speaks something else has
// been served when it returns.
func (s *session) redirected(p *passthrough) bool {
	log := s.listener.gateway.log
	var err error
	if s.original, err = originalDestination(s.timed.TCPConn); err != nil {
		if !errors.Is(err, errNotRedirected) {
			log.Error("a redirected connection is lost", "listener", s.listener.address, "error", err)
		}
		log.Debug("refused a connection", "listener", s.listener.address, "client", s.client, "why", err)
		return false
	}
	c := p.config.Load()
	if !slices.Contains(c.TCPPorts, s.original.Port()) {
		s.setIdle(true, time.Now()) // a drain need not wait for a client that says nothing
		http, err := sniffHTTP(s.timed.TCPConn, c.SniffTimeout)
		s.setIdle(false, time.Time{})
		if http || err != nil || s.listener.ending.Load() {
			return http && err == nil
		}
	}
	s.passTCP(p)
	return false
}

// outbound reports whether the client is a program of this machine that knows
// nothing of a proxy: what it says of where its calls come from is its own.
func (s *session) outbound() bool {
	p := s.listener.passthrough
	return p != nil && !p.config.Load().Inbound
}

// passed is how many connections were passed on as they were.
func (l *listener) passed() uint64 {
	if l.passthrough == nil {
		return 0
	}
	return l.passthrough.passed.Load()
}

// dialer makes connections to endpoints, marked where there are rules that
// would redirect them otherwise.
func (s *service) dialer() *net.Dialer {
	d := new(net.Dialer)
	if s.mark != nil && s.mark.Load() {
		d.Control = setMark
	}
	return d
}
