package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// datagrams is the UDP side of a listener, which takes connections of HTTP/3.
// Packets, streams and their control are those of quic-go; a request is taken
// over by an exchange.
type datagrams struct {
	listener  *listener
	mark      portMark
	udp       *net.UDPConn
	transport *quic.Transport
	accepting *quic.Listener
	open      atomic.Int64 // connections, with those whose handshake goes on
	served    atomic.Int64 // those whose handshake is over
}

// Limits of a connection of HTTP/3 beside those that a listener configures.
const (
	// handshakesMax is how many handshakes may go on before clients must show
	// first that packets reach them: another could send in their name.
	handshakesMax = 100
	// oneWayStreamsMax bounds a client's streams that are no requests: it needs
	// three.
	oneWayStreamsMax = 8
	// farewell is how long a client may take to learn that its connection ends.
	farewell = time.Second
)

// Errors of HTTP/3 that connections are closed with: RFC 9114, section 8.1.
const (
	http3NoError       = 0x100
	http3ExcessiveLoad = 0x107
)

// errNoKeys is why a connection is refused that comes before the listener has
// its certificates.
var errNoKeys = errors.New("there is no certificate yet")

// errCrowded is why a connection is refused.
var errCrowded = errors.New("the listener has as many connections as it may have")

// newDatagrams listens for packets on the port that l has for connections.
func newDatagrams(l *listener) (*datagrams, error) {
	host, _, _ := net.SplitHostPort(l.address) // validated
	address := net.JoinHostPort(host, strconv.Itoa(l.port()))
	udp, err := l.gateway.sockets.ListenPacket(address)
	if err != nil {
		return nil, fmt.Errorf("HTTP/3, over UDP: %w", listenError(address, "-lunp", err))
	}
	d := &datagrams{listener: l, mark: newMark(), udp: udp}
	d.transport = &quic.Transport{
		Conn:                  udp,
		ConnectionIDGenerator: d.mark,
		VerifySourceAddress:   func(net.Addr) bool { return d.open.Load()-d.served.Load() >= handshakesMax },
		ConnContext:           d.admit,
	}
	d.accepting, err = d.transport.Listen(
		&tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			if k := l.keys.Load(); k != nil {
				return k.packets, nil
			}
			return nil, errNoKeys
		}},
		&quic.Config{GetConfigForClient: func(*quic.ClientInfo) (*quic.Config, error) {
			return quicConfig(l.config.Load()), nil
		}})
	if err != nil {
		_ = udp.Close()
		return nil, fmt.Errorf("HTTP/3 on %s: %w", address, err)
	}
	return d, nil
}

// quicConfig bounds a connection. There is no 0-RTT: what comes with it can be
// repeated by anyone who has seen it.
func quicConfig(c *ListenerConfig) *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout:           c.HeaderTimeout,
		MaxIdleTimeout:                 c.IdleTimeout,
		KeepAlivePeriod:                pingAfter,
		InitialStreamReceiveWindow:     streamBuffer / 4,
		MaxStreamReceiveWindow:         streamBuffer,
		InitialConnectionReceiveWindow: connectionBuffer / 4,
		MaxConnectionReceiveWindow:     connectionBuffer,
		MaxIncomingStreams:             int64(c.StreamsMax),
		MaxIncomingUniStreams:          oneWayStreamsMax,
	}
}

// admit counts a connection, unless there are too many.
func (d *datagrams) admit(ctx context.Context, _ *quic.ClientInfo) (context.Context, error) {
	if d.open.Add(1) > int64(d.listener.config.Load().ConnectionsMax) {
		d.open.Add(-1)
		return nil, errCrowded
	}
	context.AfterFunc(ctx, func() { d.open.Add(-1) })
	return ctx, nil
}

// serve takes connections until no more are wanted.
func (d *datagrams) serve() {
	for {
		conn, err := d.accepting.Accept(context.Background()) // ends when it is closed
		if err != nil {
			return
		}
		s := newPacketSession(d, conn)
		if !d.listener.add(s) {
			s.packets.rest.Stop()
			s.packets.hangUp(http3ExcessiveLoad)
			continue
		}
		d.served.Add(1)
		go func() {
			defer d.served.Add(-1)
			defer d.listener.remove(s)
			_ = s.packets.server.ServeQUICConn(conn) // which tells how the connection ended
			s.closed.Store(true)
			s.packets.rest.Stop()
		}()
	}
}

// drain takes no more connections and ends those that are there.
func (d *datagrams) drain() {
	_ = d.accepting.Close()
	d.listener.finish(func(s *session) bool { return s.packets != nil && s.packets.of == d }, func() {})
	d.close()
}

// close ends what drain has left: the answers to packets that come late.
func (d *datagrams) close() {
	_ = d.transport.Close()
	_ = d.udp.Close()
}

// packetSession is what a session of HTTP/3 has in place of a connection of TCP.
type packetSession struct {
	of     *datagrams
	conn   *quic.Conn
	server *http3.Server
	rest   *time.Timer // closes the connection when no request comes

	mu     sync.Mutex
	active int       // requests under way; guarded
	since  time.Time // since when there are none, or the client was told to leave; guarded
	told   bool      // it was; guarded
}

// newPacketSession is the session of a connection whose handshake is over.
func newPacketSession(d *datagrams, conn *quic.Conn) *session {
	c := d.listener.config.Load()
	state := conn.ConnectionState().TLS
	p := &packetSession{of: d, conn: conn, since: time.Now()}
	s := &session{listener: d.listener, packets: p, tls: true, speaks: "h3", identity: identity(&state)}
	peer, _ := netip.ParseAddrPort(conn.RemoteAddr().String()) // a socket's
	s.serves(netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()))
	p.server = &http3.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p.begin()
			defer s.offerRoom()
			defer p.end(d.listener.config.Load().IdleTimeout)
			s.serveStream(w, r)
		}),
		MaxHeaderBytes: c.HeaderBytes,
		Logger:         slog.New(slog.DiscardHandler), // what clients do wrong
	}
	p.rest = time.AfterFunc(c.HeaderTimeout, func() { p.leave(0) })
	return s
}

func (p *packetSession) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active++
	p.rest.Stop()
}

func (p *packetSession) end(idle time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.active--; p.active == 0 {
		p.since = time.Now()
		p.rest.Reset(idle)
	}
}

// idleSince says since when no request is under way, and reports whether none is.
func (p *packetSession) idleSince() (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.since, p.active == 0
}

// leave closes the connection where no request has been under way for so long.
func (p *packetSession) leave(after time.Duration) {
	if since, idle := p.idleSince(); idle && time.Since(since) >= after {
		p.hangUp(http3NoError)
	}
}

// retire tells the client, once, to make no more requests, and closes the
// connection when it has had the time to learn that.
func (p *packetSession) retire() {
	p.mu.Lock()
	told := p.told
	if !told {
		p.told, p.since = true, time.Now()
	}
	p.mu.Unlock()
	if told {
		p.leave(farewell)
		return
	}
	go func() { _ = p.server.Shutdown(context.Background()) }() // ends with the connection
}

func (p *packetSession) hangUp(code quic.ApplicationErrorCode) {
	_ = p.conn.CloseWithError(code, "") // fails only where it is closed
}

// announce is what tells clients of HTTP/3: RFC 7838.
func (l *listener) announce(c *HTTP3Config) *[]byte {
	if c == nil {
		return nil
	}
	with := c.WithDefaults()
	field := fmt.Appendf(nil, `h3=":%d"; ma=%d`, cmp.Or(with.Port, l.port()), int(with.MaxAge.Seconds()))
	return &field
}
