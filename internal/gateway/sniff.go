package gateway

import (
	"bytes"
	"errors"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// sniffBytes is how much of a connection must show whether it speaks HTTP.
const sniffBytes = 32

// sniffHTTP reports whether a connection's first bytes, which stay unread, are
// those of HTTP/1 or HTTP/2. A client that says nothing in time does not
// speak HTTP: the server may have to speak first.
func sniffHTTP(conn *net.TCPConn, within time.Duration) (bool, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return false, err
	}
	var head [sniffBytes]byte
	var http bool
	var failed error
	seen := 0
	err = raw.Read(func(fd uintptr) bool {
		n, _, err := unix.Recvfrom(int(fd), head[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			return false
		case err != nil:
			failed = err
			return true
		case n == 0 && seen == 0:
			failed = io.EOF
			return true
		}
		var sure bool
		http, sure = looksLikeRequest(head[:n])
		ended := n == seen // woken without more bytes: the client has ended its side
		seen = n
		return sure || ended
	})
	if expired(err) {
		http, err = false, nil
	}
	return http, errors.Join(err, failed, conn.SetReadDeadline(time.Time{}))
}

// looksLikeRequest reports whether bytes begin a request to a server: a method,
// a space, and a target that begins with a slash, or the preface of HTTP/2,
// which looks like one. Requests to a proxy
// (CONNECT, and those with a whole URL) are the proxy's. It is not sure while
// more bytes could change the answer.
func looksLikeRequest(head []byte) (http, sure bool) {
	method, target, found := bytes.Cut(head, []byte(" "))
	for _, b := range method {
		if (b < 'A' || b > 'Z') && b != '-' {
			return false, true
		}
	}
	switch {
	case len(method) == 0 && found, len(method) > 24:
		return false, true
	case !found || len(target) == 0:
		return false, false
	}
	return target[0] == '/' || target[0] == '*' && (string(method) == "OPTIONS" || string(method) == "PRI"), true
}
