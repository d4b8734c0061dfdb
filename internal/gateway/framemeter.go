package gateway

import (
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
	in      inlet
	credit  atomic.Int64
	filled  time.Time // when time last gave credit
	spent   bool
	wrong   wrongStreams

	writing sync.Mutex // guards what follows
	out     frameWalk
	begun   bool        // a frame was written
	warned  bool        // that the connection ends
	due     atomic.Bool // such a warning
	reset   uint32      // a wrong stream that is reset after the frame under way; 0: none
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
	m := &metered{Conn: s.conn.Conn, session: s, filled: time.Now()}
	begun := make([]byte, len(http1.PrefaceRead)+s.conn.Buffered())
	n := copy(begun, http1.PrefaceRead)
	more, _ := s.conn.Read(begun[n:]) // there is so much
	s.conn.Release()
	m.credit.Store(creditGiven)
	m.in.begin(m, begun[:n+more], s.listener.config.Load().HeaderBytes)
	return m
}

// Read gives the beginning of the connection again, and then what comes.
func (m *metered) Read(p []byte) (int, error) {
	if m.spent {
		return 0, net.ErrClosed
	}
	n, err := m.in.read(p)
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
	if m.reset != 0 || m.wrong.any() {
		if _, err := m.Conn.Write(m.resetting(p)); err != nil {
			return 0, err
		}
		m.begun = true
		return len(p), m.warnNow()
	}
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
