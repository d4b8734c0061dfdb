package gateway

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// framesOver is frames on a connection that is there already.
func framesOver(conn net.Conn) *frames {
	conn.SetDeadline(time.Now().Add(time.Minute))
	f := &frames{conn: conn, r: bufio.NewReader(conn)}
	io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	f.frame(4, 0, 0, nil)
	return f
}

// TestFramesThatAskForNothingEndTheirConnection: a client that takes every
// answer fills no queue, so that only its frames themselves can be counted.
func TestFramesThatAskForNothingEndTheirConnection(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	a := newAuthority(t)
	cert, key := a.sign("shop", "shop.example")
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0"}, {Address: "localhost:0", TLS: &TLSConfig{Cert: cert, Key: key}}}
	g, _ := start(t, c)
	post := []string{":method", "POST", ":scheme", "http", ":path", "/", ":authority", "a"}
	floods := map[string]func(f *frames, i uint32){
		"SETTINGS":        func(f *frames, _ uint32) { f.frame(4, 0, 0, nil) },
		"SETTINGS of one": func(f *frames, i uint32) { f.frame(4, 0, 0, []byte{0, 4, 0, 0, byte(i), 0}) },
		"PING":            func(f *frames, _ uint32) { f.frame(6, 0, 0, make([]byte, 8)) },
		"answers to pings": func(f *frames, _ uint32) {
			f.frame(6, 1, 0, make([]byte, 8))
		},
		"PRIORITY":        func(f *frames, i uint32) { f.frame(2, 0, 2*i+1, []byte{0, 0, 0, 0, 1}) },
		"PRIORITY_UPDATE": func(f *frames, i uint32) { f.frame(16, 0, 0, []byte{0, 0, 0, 1, 'u', '=', '1'}) },
		"an unknown kind": func(f *frames, i uint32) { f.frame(200, 0, 0, nil) },
		"WINDOW_UPDATE":   func(f *frames, _ uint32) { f.frame(8, 0, 0, []byte{0, 0, 0, 1}) },
		"WINDOW_UPDATE of a stream": func(f *frames, i uint32) {
			if i == 0 {
				f.headers(1, false, post...)
			}
			f.frame(8, 0, 1, []byte{0, 0, 0, 1})
		},
		"DATA without data": func(f *frames, i uint32) {
			if i == 0 {
				f.headers(1, false, post...)
			}
			f.frame(0, 0, 1, nil)
		},
		"DATA of padding": func(f *frames, i uint32) {
			if i == 0 {
				f.headers(1, false, post...)
			}
			f.frame(0, 8, 1, []byte{0})
		},
		"DATA of a stream that ended": func(f *frames, i uint32) {
			if i == 0 {
				f.headers(1, true, post...)
				f.frame(3, 0, 1, []byte{0, 0, 0, 8})
			}
			f.frame(0, 0, 1, []byte("x"))
		},
		"CONTINUATION without fields": func(f *frames, i uint32) {
			if i == 0 {
				f.frame(1, 0, 1, block(post...))
			}
			f.frame(9, 0, 1, nil)
		},
		"HEADERS of no request": func(f *frames, i uint32) {
			f.headers(2*i+1, true, ":method", "GET")
		},
		"requests made to be reset": func(f *frames, i uint32) {
			f.headers(2*i+1, true, post...)
			f.frame(8, 0, 2*i+1, []byte{0, 0, 0, 0})
		},
		"RST_STREAM of a stream that ended": func(f *frames, i uint32) {
			if i == 0 {
				f.headers(1, true, post...)
			}
			f.frame(3, 0, 1, []byte{0, 0, 0, 8})
		},
	}
	for name, flood := range floods {
		for _, secure := range []bool{false, true} {
			t.Run(name+map[bool]string{false: ", plain", true: ", TLS"}[secure], func(t *testing.T) {
				conn, err := net.Dial("tcp", g.Addresses()[map[bool]int{false: 0, true: 1}[secure]])
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if secure {
					conn = tls.Client(conn, &tls.Config{RootCAs: a.pool, ServerName: "shop.example", NextProtos: []string{"h2"}})
				}
				f := framesOver(conn)
				f.hold = 1 << 10
				go io.Copy(io.Discard, conn)
				i := uint32(0)
				for ; f.err == nil && i < 4_000_000; i++ {
					flood(f, i)
				}
				if f.err == nil || expired(f.err) {
					t.Errorf("the flood went on: %v", f.err)
				}
			})
		}
	}
	eventually(t, "the connections are gone", func() bool {
		l := g.Status().Listeners
		return l[0].Connections == 0 && l[1].Connections == 0
	})
	f := newFrames(t, g.Addresses()[0])
	f.headers(1, true, ":method", "POST") // a mistake is borne
	f.frame(6, 0, 0, make([]byte, 8))
	if status, reset := f.answerOf(1); !reset {
		t.Errorf("got %d", status)
	}
}

// TestFramesThatBelongToWorkAreBorne: a client that gives room for every piece
// that it gets, and pings each time, may do so for as long as it likes.
func TestFramesThatBelongToWorkAreBorne(t *testing.T) {
	const pieces = 3 * creditGiven
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		for range pieces {
			io.WriteString(w, "data: x\n\n")
			w.(http.Flusher).Flush()
			if r.Context().Err() != nil {
				return
			}
		}
	})
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	f := newFrames(t, strings.TrimPrefix(url, "http://"))
	f.headers(1, true, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a")
	got := 0
	for got < pieces*9 {
		kind, payload := f.read(t)
		if kind != 0 {
			continue
		}
		got += len(payload)
		room := binary.BigEndian.AppendUint32(nil, uint32(max(len(payload), 1)))
		f.frame(8, 0, 0, room)
		f.frame(8, 0, 1, room)
		f.frame(6, 0, 0, make([]byte, 8))
	}
	for i := range uint32(2 * creditGiven) { // requests that are given up late
		id := 2*i + 3
		f.headers(id, true, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "")
		f.frame(2, 0, id, []byte{0, 0, 0, 0, 1})
		for kind, _ := f.read(t); kind != 1; kind, _ = f.read(t) {
		}
	}
	if n := g.Status().Listeners[0].Connections; n != 1 {
		t.Errorf("%d connections", n)
	}
}

// read is the next frame.
func (f *frames) read(t *testing.T) (kind byte, payload []byte) {
	t.Helper()
	var head [9]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		t.Fatal(err)
	}
	payload = make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	if _, err := io.ReadFull(f.r, payload); err != nil {
		t.Fatal(err)
	}
	return head[3], payload
}

func TestFramesAreFoundHoweverTheyCome(t *testing.T) {
	var f frames
	f.hold = 1 << 20
	f.frame(4, 0, 0, nil)
	f.frame(0, 1, 1, make([]byte, 3000))
	f.frame(3, 0, 1, []byte{0, 0, 0, 5})
	f.frame(0, 0, 3, make([]byte, 5))
	f.frame(9, 4, 5, []byte("x"))
	for size := 1; size < 40; size++ {
		var w frameWalk
		var kinds []byte
		code := uint32(0)
		for rest := f.held; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			for p := rest[:min(size, len(rest))]; ; {
				var one frameHead
				var ok bool
				if p, one, ok = w.next(p); !ok {
					break
				}
				kinds = append(kinds, one.kind)
				code += one.code
			}
		}
		if string(kinds) != "\x04\x00\x03\x00\x09" || code != 5 {
			t.Errorf("in pieces of %d: got %v, code %d", size, kinds, code)
		}
	}
}

func TestHTTP2IsNotSpokenOverAWeakCipher(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.sign("shop", "shop.example")
	_, _, at := startTLS(t, secured(&TLSConfig{Cert: cert, Key: key}, ServiceConfig{Endpoints: Addresses(echo(t))}))
	for suite, taken := range map[uint16]bool{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: true,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA:    false,
	} {
		res, err := http2Client(t, &tls.Config{
			RootCAs: a.pool, ServerName: "shop.example", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite},
		}).Get("https://" + at)
		if taken != (err == nil) {
			t.Errorf("%s: %v", tls.CipherSuiteName(suite), err)
		}
		if err == nil {
			res.Body.Close()
		}
	}
}
