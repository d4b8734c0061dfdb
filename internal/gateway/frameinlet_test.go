package gateway

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"testing/iotest"

	"golang.org/x/net/http2/hpack"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// streamEnd is how a stream was answered, whether the answer ended it, and the code
// of its reset.
type streamEnd struct {
	status int
	ended  bool
	code   uint32
}

// endOf reads frames until a stream has ended.
func (f *frames) endOf(t *testing.T, stream uint32) (e streamEnd) {
	t.Helper()
	for {
		var head [frameHeadBytes]byte
		if _, err := io.ReadFull(f.r, head[:]); err != nil {
			t.Fatalf("after %+v: %v", e, err)
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(f.r, payload); err != nil {
			t.Fatal(err)
		}
		switch kind := head[3]; {
		case binary.BigEndian.Uint32(head[5:]) != stream:
			continue
		case kind == frameReset:
			e.code = binary.BigEndian.Uint32(payload)
			return e
		case kind == frameHeaders:
			e.status = statusOf(payload)
		}
		if e.ended = head[4]&flagEndStream != 0; e.ended {
			return e
		}
	}
}

// TestMalformedRequestOfHTTP2EndsWithAReset, and no other, however its fields
// come.
func TestMalformedRequestOfHTTP2EndsWithAReset(t *testing.T) {
	g, _ := start(t, oneService(ServiceConfig{Endpoints: Addresses(named(t, "a"))}))
	f := newFrames(t, g.Addresses()[0])
	var block bytes.Buffer
	table := hpack.NewEncoder(&block) // goes on from one request to the next
	stream := uint32(1)
	shapes := []func(b []byte){
		func(b []byte) { f.frame(frameHeaders, flagEndHeaders|flagEndStream, stream, b) },
		func(b []byte) {
			f.frame(frameHeaders, flagEndHeaders|flagEndStream|flagPadded|flagPriority, stream, slices.Concat([]byte{3, 0, 0, 0, 0, 9}, b, make([]byte, 3)))
		},
		func(b []byte) {
			f.frame(frameHeaders, flagEndStream, stream, nil)
			f.frame(frameContinuation, 0, stream, b[:5])
			f.frame(frameContinuation, flagEndHeaders, stream, b[5:])
		},
	}
	for _, one := range []struct {
		bad    bool
		fields []string
	}{
		{false, []string{"x-a", "b"}},
		{true, []string{"connection", "keep-alive"}},
		{true, []string{"x-a", "b", "keep-alive", "1"}},
		{true, []string{"proxy-connection", "close"}},
		{true, []string{"transfer-encoding", "chunked"}},
		{true, []string{"upgrade", "h2c"}},
		{true, []string{"te", "gzip"}},
		{true, []string{"te", "trailers", "te", "trailers"}},
		{false, []string{"te", "trailers"}},
	} {
		for shape, send := range shapes {
			block.Reset()
			for field := range slices.Chunk(append([]string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"}, one.fields...), 2) {
				if err := table.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
					t.Fatal(err)
				}
			}
			send(block.Bytes())
			want := streamEnd{status: 200, ended: true}
			if one.bad {
				want = streamEnd{status: 400, code: codeProtocol}
			}
			if got := f.endOf(t, stream); got != want {
				t.Errorf("%q in shape %d: got %+v", one.fields, shape, got)
			}
			stream += 2
		}
	}
}

// TestResetComesBehindAnAnswerHoweverItIsWritten: the stream ends in any case.
func TestResetComesBehindAnAnswerHoweverItIsWritten(t *testing.T) {
	var sent frames
	sent.hold = 1 << 10
	sent.frame(frameHeaders, flagEndHeaders, 1, []byte{0x8c})
	sent.frame(frameData, flagEndStream, 3, []byte("of another"))
	sent.frame(frameData, flagEndStream, 1, []byte("malformed"))
	sent.frame(frameData, flagEndStream, 5, nil)
	for size := 1; size <= len(sent.held); size++ {
		var wire bytes.Buffer
		m := &metered{Conn: readerConn{w: &wire}}
		m.wrong.add(1)
		for piece := range slices.Chunk(sent.held, size) {
			if n, err := m.Write(piece); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
		}
		var got []string
		f := frames{r: bufio.NewReader(&wire)}
		for range 5 {
			head, err := f.r.Peek(frameHeadBytes)
			if err != nil {
				t.Fatalf("in pieces of %d: %v", size, err)
			}
			stream := binary.BigEndian.Uint32(head[5:])
			kind, payload := f.read(t)
			got = append(got, fmt.Sprintf("%d:%d:%q", stream, kind, payload))
		}
		want := []string{`1:1:"\x8c"`, `3:0:"of another"`, `1:0:"malformed"`, `1:3:"\x00\x00\x00\x01"`, `5:0:""`}
		if !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: %q", size, got)
		}
	}
}

// TestTrailersOfHTTP2AreNoRequest: what they may not have is not passed on.
func TestTrailersOfHTTP2AreNoRequest(t *testing.T) {
	g, _ := start(t, oneService(ServiceConfig{Endpoints: Addresses(echo(t))}))
	f := newFrames(t, g.Addresses()[0])
	f.headers(1, false, ":method", "POST", ":scheme", "http", ":path", "/", ":authority", "a")
	f.headers(1, true, "te", "gzip")
	if got := f.endOf(t, 1); got.code != 0 {
		t.Errorf("got %+v", got)
	}
}

// TestSettingThatStandsTwiceIsTheLast in a frame that comes in pieces, and in one
// that is too long to be mended.
func TestSettingThatStandsTwiceIsTheLast(t *testing.T) {
	g, _ := start(t, oneService(ServiceConfig{Endpoints: Addresses(named(t, "four"))}))
	window := func(n byte) []byte { return []byte{0, 4, 0, 0, 0, n} }
	for _, hold := range []int{0, 1 << 10} {
		f := newFrames(t, g.Addresses()[0])
		f.hold = hold
		f.frame(frameSettings, 0, 0, slices.Concat(window(2), []byte{0, 3, 0, 0, 0, 9}, window(1)))
		f.hold = 0
		f.headers(1, true, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a")
		for {
			kind, payload := f.read(t)
			if kind == frameData {
				if string(payload) != "f" {
					t.Errorf("got %q", payload)
				}
				break
			}
		}
	}
}

// readerConn is a connection of a reader and a writer.
type readerConn struct {
	net.Conn
	r io.Reader
	w io.Writer
}

func (g readerConn) Read(p []byte) (int, error)  { return g.r.Read(p) }
func (g readerConn) Write(p []byte) (int, error) { return g.w.Write(p) }

// through is what net/http gets of data, read in parts of so many bytes.
func through(t *testing.T, begun int, data []byte, in func(io.Reader) io.Reader, size int) []byte {
	t.Helper()
	m := &metered{}
	m.credit.Store(creditMax)
	m.Conn = readerConn{r: in(bytes.NewReader(data[begun:]))}
	m.in.begin(m, bytes.Clone(data[:begun]), 1<<10)
	var all []byte
	p := make([]byte, size)
	for {
		n, err := m.in.read(p)
		all = append(all, p[:n]...)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzFrameInlet: what net/http gets does not depend on how it came, and but for
// settings that stand twice it is what was sent, as far as whole frames go.
func FuzzFrameInlet(f *testing.F) {
	var seed frames
	seed.hold = 1 << 20
	seed.frame(frameSettings, 0, 0, []byte{0, 4, 0, 0, 0, 9, 0, 3, 0, 0, 0, 9, 0, 4, 0, 0, 0, 1})
	seed.frame(frameHeaders, flagEndHeaders|flagPadded, 1, slices.Concat([]byte{1}, block("te", "gzip"), []byte{0}))
	seed.frame(frameReset, 0, 1, []byte{0, 0, 0, 8})
	seed.frame(frameReset, 0, 1, []byte{0, 0})
	seed.frame(frameData, 0, 3, make([]byte, 3000))
	f.Add(seed.held, byte(3))
	f.Fuzz(func(t *testing.T, data []byte, size byte) {
		data = append([]byte(http1.Preface), data...)
		whole := through(t, len(data), data, func(r io.Reader) io.Reader { return r }, 1<<14)
		bytewise := through(t, len(http1.Preface), data, iotest.OneByteReader, int(size)+1)
		if !bytes.Equal(whole, bytewise) {
			t.Fatalf("%x became\n%x as a whole and\n%x in pieces", data, whole, bytewise)
		}
		if len(whole) > len(data) || !bytes.HasPrefix(whole, []byte(http1.Preface)[:min(len(whole), len(http1.Preface))]) {
			t.Fatalf("%x became %x", data, whole)
		}
	})
}
