package gateway

import (
	"encoding/binary"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// inlet reads what a client of HTTP/2 sends, ahead of net/http, which reads the
// head of a frame and its content one after the other.
type inlet struct {
	of     *metered
	walk   frameWalk
	fields fieldWatch
	small  [1 << 10]byte
	// buf holds what was read: up to r net/http has it, up to ready it may have
	// it, and up to seen the frames in it have been counted.
	buf            []byte
	r, ready, seen int
}

// begin takes what the codec has read.
func (in *inlet) begin(of *metered, begun []byte, headerBytes int) {
	in.of, in.buf = of, begun
	in.fields.malformed, in.fields.stringMax = of.wrong.add, headerBytes
	in.walk.fields, in.walk.skip = &in.fields, len(http1.Preface)
	in.scan()
}

func (in *inlet) read(p []byte) (int, error) {
	for in.r == in.ready {
		if in.ready == len(in.buf) && in.walk.skip >= len(p) && len(p) >= len(in.small) {
			n, err := in.of.Conn.Read(p) // a part of a frame's content
			in.count(p[:n])
			return n, err
		}
		in.buf = in.small[:copy(in.small[:], in.buf[in.r:])]
		in.seen, in.ready, in.r = in.seen-in.r, 0, 0
		n, err := in.of.Conn.Read(in.small[len(in.buf):])
		if n == 0 {
			return 0, err
		}
		in.buf = in.small[:len(in.buf)+n]
		in.scan()
	}
	n := copy(p, in.buf[in.r:in.ready])
	in.r += n
	return n, nil
}

// count counts frames in what net/http has got directly.
func (in *inlet) count(p []byte) {
	for {
		rest, f, ok := in.walk.next(p)
		if !ok {
			return
		}
		in.noted(&f)
		p = rest
	}
}

// scan counts the frames in the buffer and mends them. What of them may still be
// mended net/http does not get yet.
func (in *inlet) scan() {
	for {
		rest, f, ok := in.walk.next(in.buf[in.seen:])
		in.seen = len(in.buf) - len(rest)
		if !ok {
			in.ready = len(in.buf) - in.walk.have
			return
		}
		if !in.mend(&f) {
			return
		}
		in.noted(&f)
	}
}

func (in *inlet) noted(f *frameHead) {
	in.of.earn(f.received())
	if f.kind == frameReset {
		in.of.wrong.remove(f.stream)
	}
}

// mend leaves the last of each setting in a frame whose head was seen: RFC 9113,
// section 6.5.3, has values processed in the order in which they come, where
// net/http closes the connection. It returns false while the end of the frame
// has not come.
func (in *inlet) mend(f *frameHead) bool {
	if f.kind != frameSettings || f.length%settingBytes != 0 || f.length < 2*settingBytes || f.length > len(in.small)-frameHeadBytes {
		return true
	}
	begins, end := in.seen-frameHeadBytes, in.seen+f.length
	if end > len(in.buf) {
		in.ready, in.seen, in.walk.skip = begins, begins, 0
		return false
	}
	kept := lastOfEach(in.buf[in.seen:end])
	in.buf = append(in.buf[:in.seen+kept], in.buf[end:]...)
	in.buf[begins], in.buf[begins+1], in.buf[begins+2] = 0, byte(kept>>8), byte(kept)
	in.walk.skip = kept
	return true
}

// settingBytes is the length of a setting: its name in two bytes, and its value.
const settingBytes = 6

// lastOfEach moves the last of each setting to the front and returns the length
// of all that is left.
func lastOfEach(settings []byte) int {
	kept := settings[:0]
	for i := 0; i < len(settings); i += settingBytes {
		last := true
		for j := i + settingBytes; j < len(settings); j += settingBytes {
			last = last && binary.BigEndian.Uint16(settings[i:]) != binary.BigEndian.Uint16(settings[j:])
		}
		if last {
			kept = append(kept, settings[i:i+settingBytes]...)
		}
	}
	return len(kept)
}
