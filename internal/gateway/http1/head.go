package http1

import (
	"bytes"
	"io"
)

// readHead reads up to and including the empty line that ends a head, and
// consumes it. Bytes are searched once however they arrive, and what can be
// refused before the head is complete is refused then.
func (c *Conn) readHead(request bool) ([]byte, error) {
	if c.failed != nil {
		return nil, c.failed
	}
	if !c.body.Done() {
		return nil, ErrUnread
	}
	c.unpin()
	s := headScan{request: request}
	for {
		if c.in != nil {
			buf := c.in.bytes[c.r:c.w]
			n, err := s.scan(buf, &c.limits)
			if err != nil {
				return nil, err
			}
			if n > 0 {
				c.r += n
				c.base = c.r
				return buf[s.start:n], nil
			}
		}
		c.room()
		if err := c.fill(); err != nil {
			if err == io.EOF && c.r < c.w {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// headScan looks for the end of a head in a growing buffer.
type headScan struct {
	request bool
	start   int // of the start line: 2 after an empty line that was passed over
	line    int // start of the line being searched
	seen    int // bytes already searched
}

// scan returns the length of the head, or 0 when more bytes are needed.
func (s *headScan) scan(buf []byte, l *Limits) (int, error) {
	if err := s.checkFirst(buf); err != nil {
		return 0, err
	}
	for {
		i := bytes.IndexByte(buf[s.seen:], '\n')
		if i < 0 {
			s.seen = len(buf)
			return 0, s.checkSize(len(buf)+1, l)
		}
		i += s.seen
		s.seen = i + 1
		if i == 0 || buf[i-1] != '\r' {
			return 0, bad("line ends with a bare LF")
		}
		if i-1 > s.line {
			s.line = i + 1
			continue
		}
		if s.line > s.start {
			return i + 1, s.checkSize(i+1, l)
		}
		// RFC 9112, 2.2: an empty line before a request is passed over. One
		// is enough for the old clients that sent it after a body.
		if s.start > 0 || !s.request {
			return 0, bad("empty line instead of a start line")
		}
		s.start, s.line = 2, 2
		if err := s.checkFirst(buf); err != nil {
			return 0, err
		}
	}
}

// checkFirst refuses early what can never become a start line, such as a TLS
// handshake, instead of waiting for more of it.
func (s *headScan) checkFirst(buf []byte) error {
	buf = buf[s.start:]
	switch {
	case len(buf) == 0 || tokenChars[buf[0]]:
		return nil
	case buf[0] == '\r' && (len(buf) == 1 || buf[1] == '\n'):
		return nil
	case buf[0] == '\n':
		return bad("line ends with a bare LF")
	default:
		return bad("invalid start line")
	}
}

func (s *headScan) checkSize(n int, l *Limits) error {
	n -= s.start
	switch {
	case s.request && s.line == s.start && n > l.TargetBytesMax+methodBytesMax+len("  HTTP/1.1\r\n"):
		return refuse(414, "request line is too long")
	case n > l.HeadBytesMax:
		return refuse(431, "head is too large")
	}
	return nil
}
