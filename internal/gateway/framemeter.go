package gateway

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// metered is a connection of HTTP/2 whose frames are counted on their way to
// and from net/http. A client that sends too many that ask for nothing, or that
// are wrong, costs more than it costs itself: its connection is closed.
//
//	                           credit
//	client ─▶ a request           +3
//	          body, each KiB      +1
//	          anything else       −1  also DATA without data, and CONTINUATION
//	       ◀─ body, each frame    +4, and each KiB +1: the client gives room anew
//	       ◀─ RST_STREAM          −4  for what the client did wrong
//	a second                    +100, up to 2000, which it begins with
type metered struct {
	net.Conn
	session *session
	left    []byte // of the beginning, which was read already
	in, out frameWalk
	credit  atomic.Int64
	filled  time.Time // when time last gave credit
	spent   bool

	writing sync.Mutex // guards out and what follows
	begun   bool       // a frame was written
	warned  bool       // that the connection ends
	due     atomic.Bool
}

const (
	creditGiven     = 2000
	creditPerSecond = 100
	// creditMax bounds what is earned: a client may answer many pieces late.
	creditMax = 100_000
	// padMax is from how many bytes on a padded frame of DATA must carry some.
	padMax = 256
)

// newMetered takes over a connection whose preface the codec has seen.
func newMetered(s *session) *metered {
	m := &metered{Conn: s.conn.Conn, session: s, left: []byte(http1.PrefaceRead), filled: time.Now()}
	ahead := make([]byte, s.conn.Buffered())
	n, _ := s.conn.Read(ahead) // there is so much
	m.left = append(m.left, ahead[:n]...)
	s.conn.Release()
	m.in.skip = len(http1.Preface)
	m.credit.Store(creditGiven)
	return m
}

// Read gives the beginning of the connection again, and then what comes.
func (m *metered) Read(p []byte) (int, error) {
	var n int
	var err error
	switch {
	case m.spent:
		return 0, net.ErrClosed
	case m.left != nil:
		n = copy(p, m.left)
		if m.left = m.left[n:]; len(m.left) == 0 {
			m.left = nil
		}
	default:
		n, err = m.Conn.Read(p)
	}
	for rest := p[:n]; ; {
		var f frameHead
		var ok bool
		if rest, f, ok = m.in.next(rest); !ok {
			break
		}
		m.earn(f.received())
	}
	if m.credit.Load() < 0 && !m.refill() {
		m.spent = true
		m.session.listener.gateway.log.Warn("a client sent too many frames that ask for nothing; its connection is closed",
			"listener", m.session.listener.address, "client", m.session.client)
		_ = m.session.timed.Close()
		return 0, net.ErrClosed
	}
	return n, err
}

func (m *metered) Write(p []byte) (int, error) {
	m.writing.Lock()
	defer m.writing.Unlock()
	for rest := p; ; {
		var f frameHead
		var ok bool
		if rest, f, ok = m.out.next(rest); !ok {
			break
		}
		m.earn(f.sent())
	}
	n, err := m.Conn.Write(p)
	m.begun = true
	if err == nil {
		err = m.warnNow()
	}
	return n, err
}

func (m *metered) earn(credit int) {
	if credit != 0 && m.credit.Add(int64(credit)) > creditMax {
		m.credit.Store(creditMax)
	}
}

// refill gives credit for the time that has passed, and reports whether there
// is any.
func (m *metered) refill() bool {
	now := time.Now()
	m.earn(int(min(now.Sub(m.filled).Seconds()*creditPerSecond, creditGiven)))
	m.filled = now
	return m.credit.Load() >= 0
}

// frameHead is what a frame says of itself.
type frameHead struct {
	kind, flags byte
	length      int
	code        uint32 // of an error, with which a stream is reset
}

// Kinds of frames, and flags, of RFC 9113, section 6.
const (
	frameData      = 0
	frameHeaders   = 1
	frameReset     = 3
	flagEndStream  = 1
	flagPadded     = 8
	frameHeadBytes = 9
)

// received is the credit of a frame from the client.
func (f *frameHead) received() int {
	switch f.kind {
	case frameHeaders:
		return 3
	case frameData:
		if f.length == 0 && f.flags&flagEndStream == 0 || f.flags&flagPadded != 0 && f.length <= padMax {
			return -1
		}
		return f.length >> 10
	}
	return -1
}

// sent is the credit of a frame to the client.
func (f *frameHead) sent() int {
	switch f.kind {
	case frameData:
		return 4 + f.length>>10
	case frameReset:
		switch f.code {
		case 0, 2, 8: // no error, an internal one, and cancelled: none of the client's making
		default:
			return -4
		}
	}
	return 0
}

// frameWalk finds the frames in the bytes of one direction.
type frameWalk struct {
	skip int // bytes until the next frame begins
	head [frameHeadBytes + 4]byte
	have int
}

// next takes bytes away until a frame has shown what it is. Ok is false once
// all are taken.
func (w *frameWalk) next(p []byte) (rest []byte, f frameHead, ok bool) {
	if w.skip > 0 {
		n := min(w.skip, len(p))
		w.skip -= n
		p = p[n:]
	}
	for {
		need := frameHeadBytes
		if w.have >= need && w.head[3] == frameReset {
			need = len(w.head) // its code too
		}
		if w.have == need {
			break
		}
		if len(p) == 0 {
			return nil, f, false
		}
		n := copy(w.head[w.have:need], p)
		w.have += n
		p = p[n:]
	}
	f = frameHead{kind: w.head[3], flags: w.head[4], length: int(w.head[0])<<16 | int(w.head[1])<<8 | int(w.head[2])}
	w.skip = f.length - (w.have - frameHeadBytes)
	if f.kind == frameReset {
		f.code = binary.BigEndian.Uint32(w.head[frameHeadBytes:])
	}
	w.have = 0
	return p, f, true
}
