package gateway

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
	"github.com/afloat-dev/afloat/internal/gateway/xconnect"
)

func init() { xconnect.Restore() }

const websocket = "websocket"

// extended is the protocol that a request of extended CONNECT asks for (RFC
// 8441, and RFC 9220 for HTTP/3); empty for all others.
func (st *stream) extended() string {
	r := st.r
	switch {
	case r.Method != "CONNECT":
		return ""
	case r.ProtoMajor == 3 && r.Proto != "HTTP/3.0":
		return r.Proto
	case len(r.Header[":protocol"]) == 1:
		return r.Header[":protocol"][0]
	}
	return ""
}

// takeUpgrade makes of extended CONNECT the upgrade that HTTP/1.1 asks for, with
// a key of its own.
func (st *stream) takeUpgrade(into *http1.Request, protocol string) error {
	if protocol != websocket {
		return &http1.ProtocolError{Status: 501, Reason: "by CONNECT, only WebSocket is served"}
	}
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	st.key = base64.StdEncoding.EncodeToString(nonce[:])
	r := st.r
	delete(r.Header, ":protocol")
	r.Header.Set("Sec-Websocket-Key", st.key)
	err := into.Take("GET", []byte(r.RequestURI), []byte(r.Host), fieldsOf(r.Header), http1.Framing{}, &streamLimits)
	into.Upgrade = []byte(websocket)
	return err
}

// refusesJoin says why an answer does not join client and endpoint, where the
// client would take it for one that does; empty where it may be passed on.
func (st *stream) refusesJoin(status int, response *http1.Response) string {
	switch {
	case st.key == "":
		return ""
	case status == 101 && string(response.Get("Sec-WebSocket-Accept")) != acceptOf(st.key):
		return "the endpoint's answer does not belong to the WebSocket's key"
	case status/100 == 2:
		return "the endpoint does not speak WebSocket here"
	}
	return ""
}

// acceptOf is what a server answers to a key: RFC 6455, section 4.2.2.
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// join passes bytes on between the stream and the endpoint's connection. A
// stream cannot end its own side and go on reading, so that all ends with what
// the endpoint sends.
func (st *stream) join(x *exchange, u *upstreamConn) (up, down int64) {
	h := st.w.Header()
	for i := range x.response.Fields {
		if f := &x.response.Fields[i]; x.forwardsBack(f) && !names(f.Name, "sec-websocket-accept") {
			h.Add(string(f.Name), string(f.Value))
		}
	}
	for _, f := range x.addedBack() {
		h.Add(string(f.Name), string(f.Value))
	}
	st.begin(200)
	if st.control.Flush() != nil {
		return 0, 0
	}
	r := &relay{idle: tunnelIdle}
	r.note()
	u.timed.readBy, u.timed.readStall, u.timed.writeStall = time.Time{}, r.look(), r.idle
	ended := make(chan int64)
	go func() { ended <- st.passUp(r, u) }()
	down, err := st.passDown(r, u)
	if err != io.EOF {
		st.abort()
	}
	_ = u.Close()
	st.stall(st.control.SetReadDeadline) // nobody reads on
	return <-ended, down
}

func (st *stream) passUp(r *relay, u *upstreamConn) (n int64) {
	buffer := relayBuffers.Get().(*[relayBytes]byte)
	defer relayBuffers.Put(buffer)
	for {
		read, err := st.r.Body.Read(buffer[:])
		if read > 0 {
			r.note()
			written, err := u.Write(buffer[:read])
			if n += int64(written); err != nil {
				_ = u.Close()
				return n
			}
		}
		switch {
		case err == io.EOF:
			_ = u.closeWrite() // where it fails, so does what follows
			return n
		case err != nil:
			_ = u.Close()
			return n
		}
	}
}

// passDown returns io.EOF where the endpoint has ended its side.
func (st *stream) passDown(r *relay, u *upstreamConn) (n int64, err error) {
	buffer := relayBuffers.Get().(*[relayBytes]byte)
	defer relayBuffers.Put(buffer)
	out := &outgoing{stream: st, stall: r.idle}
	for {
		read, err := u.Read(buffer[:])
		if read > 0 {
			r.note()
			if err := out.write(buffer[:read]); err != nil {
				return n, err
			}
			n += int64(read)
		}
		if err != nil && (!expired(err) || r.still()) {
			return n, err
		}
	}
}
