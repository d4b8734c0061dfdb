package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// clientHelloMax bounds what a client may send before it has named its server.
const clientHelloMax = 32 << 10

var (
	errHelloSeen = errors.New("the name has been seen")
	errNoHello   = errors.New("the connection does not begin with a ClientHello of TLS")
)

// readClientHello reads a client's first message of TLS, and the server name in
// it, which is empty where there is none. It returns all that it has read.
func readClientHello(r io.Reader) (head []byte, name string, err error) {
	var read bytes.Buffer
	conn := helloConn{io.TeeReader(io.LimitReader(r, clientHelloMax), &read)}
	config := &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		name = h.ServerName
		return nil, errHelloSeen
	}}
	err = tls.Server(conn, config).HandshakeContext(context.Background()) // the reader has the deadline
	switch {
	case errors.Is(err, errHelloSeen):
		return read.Bytes(), name, nil
	case expired(err):
		return nil, "", err
	}
	return nil, "", errNoHello
}

// helloConn lets crypto/tls read, and keeps what it answers to itself.
type helloConn struct{ io.Reader }

func (helloConn) Write(p []byte) (int, error)      { return len(p), nil }
func (helloConn) Close() error                     { return nil }
func (helloConn) LocalAddr() net.Addr              { return nil }
func (helloConn) RemoteAddr() net.Addr             { return nil }
func (helloConn) SetDeadline(time.Time) error      { return nil }
func (helloConn) SetReadDeadline(time.Time) error  { return nil }
func (helloConn) SetWriteDeadline(time.Time) error { return nil }
