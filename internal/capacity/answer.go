package capacity

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// errAnswer is wrapped by every error about bytes that are not an HTTP/1.1
// answer.
var errAnswer = errors.New("malformed answer")

const (
	headersMax = 256 // header lines in one answer; a line is bounded by the reader's buffer
	informMax  = 8   // 1xx answers ahead of the final one
)

// readAnswer reads one answer, discards its body and returns its status, and
// whether the connection can carry another request. It reads just what framing
// needs (RFC 9112, 6.3) and allocates nothing, for a generator must leave the
// processor to its target.
func readAnswer(r *bufio.Reader, head bool) (status int, keep bool, err error) {
	for range informMax {
		f, err := readHead(r)
		if err != nil {
			return 0, false, err
		}
		if f.status >= 200 {
			return f.status, f.keep && f.bounded(head), f.discardBody(r, head)
		}
		if f.status == 101 {
			return 0, false, fmt.Errorf("%w: protocol switch that nobody asked for", errAnswer)
		}
	}
	return 0, false, fmt.Errorf("%w: more than %d interim answers", errAnswer, informMax)
}

// framing is what the head of an answer says about its end.
type framing struct {
	status  int
	keep    bool
	chunked bool
	length  int64 // -1 if not given
}

func readHead(r *bufio.Reader) (framing, error) {
	f := framing{length: -1}
	line, err := readLine(r)
	if err != nil {
		return f, err
	}
	// HTTP/1.x SP 3DIGIT
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' {
		return f, fmt.Errorf("%w: status line %.40q", errAnswer, line)
	}
	f.keep = line[7] == '1'
	if f.status = int(parseDecimal(line[9:12])); f.status < 100 {
		return f, fmt.Errorf("%w: status line %.40q", errAnswer, line)
	}
	for range headersMax {
		line, err := readLine(r)
		if err != nil {
			return f, noEOF(err)
		}
		if len(line) == 0 {
			return f, nil
		}
		if err := f.header(line); err != nil {
			return f, err
		}
	}
	return f, fmt.Errorf("%w: more than %d headers", errAnswer, headersMax)
}

func (f *framing) header(line []byte) error {
	name, value, found := bytes.Cut(line, []byte(":"))
	if !found {
		return fmt.Errorf("%w: header %.40q", errAnswer, line)
	}
	value = bytes.TrimSpace(value)
	switch {
	case bytes.EqualFold(name, []byte("Content-Length")):
		if f.length = parseDecimal(value); f.length < 0 {
			return fmt.Errorf("%w: length %.40q", errAnswer, value)
		}
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		if f.chunked = bytes.EqualFold(value, []byte("chunked")); !f.chunked {
			return fmt.Errorf("%w: transfer encoding %.40q", errAnswer, value)
		}
	case bytes.EqualFold(name, []byte("Connection")):
		if bytes.EqualFold(value, []byte("close")) {
			f.keep = false
		}
	}
	return nil
}

// bounded reports whether the body ends before the connection does.
func (f *framing) bounded(head bool) bool {
	return f.bodiless(head) || f.chunked || f.length >= 0
}

func (f *framing) bodiless(head bool) bool {
	return head || f.status == 204 || f.status == 304
}

func (f *framing) discardBody(r *bufio.Reader, head bool) error {
	switch {
	case f.bodiless(head):
		return nil
	case f.chunked:
		return discardChunks(r)
	case f.length >= 0:
		return discard(r, f.length)
	}
	_, err := r.WriteTo(io.Discard)
	return err
}

func discardChunks(r *bufio.Reader) error {
	for {
		line, err := readLine(r)
		if err != nil {
			return noEOF(err)
		}
		digits, _, _ := bytes.Cut(line, []byte(";"))
		size, err := strconv.ParseUint(string(bytes.TrimSpace(digits)), 16, 63)
		if err != nil {
			return fmt.Errorf("%w: chunk size %.40q", errAnswer, line)
		}
		if size == 0 {
			break
		}
		if err := discard(r, int64(size)); err != nil {
			return err
		}
		if line, err = readLine(r); err != nil {
			return noEOF(err)
		}
		if len(line) > 0 {
			return fmt.Errorf("%w: chunk longer than its size", errAnswer)
		}
	}
	for range headersMax { // trailers
		line, err := readLine(r)
		if err != nil {
			return noEOF(err)
		}
		if len(line) == 0 {
			return nil
		}
	}
	return fmt.Errorf("%w: more than %d trailers", errAnswer, headersMax)
}

func discard(r *bufio.Reader, n int64) error {
	for n > 0 {
		step, err := r.Discard(int(min(n, 1<<30)))
		if n -= int64(step); err != nil {
			return noEOF(err)
		}
	}
	return nil
}

// readLine returns a line without its end; it is valid until the next read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("%w: line longer than %d bytes", errAnswer, r.Size())
	case errors.Is(err, io.EOF) && len(line) > 0:
		return nil, io.ErrUnexpectedEOF
	case err != nil:
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// noEOF turns the end of the connection into an error, where more was promised.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parseDecimal returns -1 for what is not a plain decimal number that fits.
func parseDecimal(b []byte) int64 {
	if len(b) == 0 || len(b) > 18 {
		return -1
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int64(c-'0')
	}
	return n
}
