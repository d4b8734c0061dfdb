package acme

import (
	"crypto/tls"
	"sync"
)

// questions are those that authorities may ask now, by what tells them apart.
type questions struct {
	mu           sync.Mutex
	certificates map[string]*tls.Certificate // by host
	responses    map[[2]string]string        // by host and token
}

// Certificate is part of [gateway.Challenges].
func (q *questions) Certificate(host string) *tls.Certificate {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.certificates[host]
}

// Response is part of [gateway.Challenges].
func (q *questions) Response(host, token string) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.responses[[2]string{host, token}]
}

// expectHandshake answers handshakes for the host until forget is called.
func (q *questions) expectHandshake(host string, answer tls.Certificate) (forget func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.certificates == nil {
		q.certificates = map[string]*tls.Certificate{}
	}
	q.certificates[host] = &answer
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.certificates[host] == &answer {
			delete(q.certificates, host)
		}
	}
}

// expectRequest answers requests by the token until forget is called.
func (q *questions) expectRequest(host, token, answer string) (forget func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.responses == nil {
		q.responses = map[[2]string]string{}
	}
	key := [2]string{host, token}
	q.responses[key] = answer
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.responses, key)
	}
}
