package gateway

import (
	"bytes"
	"crypto/tls"
	"errors"
)

// Challenges answers the questions by which authorities make sure that hosts are
// this gateway's (RFC 8555, section 8). It is asked by many at once.
type Challenges interface {
	// Certificate answers a handshake for the host; nil: nobody may ask.
	Certificate(host string) *tls.Certificate
	// Response answers a request to the host by the token in its path; empty:
	// nobody may ask.
	Response(host, token string) string
}

// challengeProtocol is what an authority, and nobody else, offers by ALPN (RFC
// 8737).
const challengeProtocol = "acme-tls/1"

var errNoChallenge = errors.New("no authority was asked for that host's certificate")

// challenged answers the handshakes of authorities. They have no certificate
// themselves, whatever is demanded of clients.
func challenged(by Challenges) func(*tls.ClientHelloInfo) (*tls.Config, error) {
	return func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if len(hello.SupportedProtos) != 1 || hello.SupportedProtos[0] != challengeProtocol {
			return nil, nil // a client: the listener's own
		}
		pair := by.Certificate(hello.ServerName)
		if pair == nil {
			return nil, errNoChallenge
		}
		return &tls.Config{
			Certificates: []tls.Certificate{*pair}, NextProtos: []string{challengeProtocol},
			MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true,
		}, nil
	}
}

var challengePath = []byte("/.well-known/acme-challenge/")

// challenge answers the request of an authority. Others with such a path are
// the routes': a service may have an authority of its own.
func (x *exchange) challenge() (keep, done bool) {
	by := x.session.listener.gateway.challenges
	token, ok := bytes.CutPrefix(x.request.Path, challengePath)
	if !ok || by == nil || string(x.request.Method) != "GET" {
		return false, false
	}
	response := by.Response(string(x.host), string(token))
	if response == "" {
		return false, false
	}
	x.record.Reason = ReasonResponded
	return x.answer(200, "application/octet-stream", response, 0), true
}
