package gateway

import "encoding/binary"

// frameHead is what a frame says of itself.
type frameHead struct {
	kind, flags byte
	length      int
	stream      uint32
	code        uint32 // of an error, with which a stream is reset
}

// Kinds of frames, and flags, of RFC 9113, section 6.
const (
	frameData         = 0
	frameHeaders      = 1
	frameReset        = 3
	frameSettings     = 4
	frameGoAway       = 7
	frameContinuation = 9

	flagEndStream  = 1
	flagAck        = 1
	flagEndHeaders = 4
	flagPadded     = 8
	flagPriority   = 32

	frameHeadBytes = 9
	codeBytes      = 4

	codeProtocol = 1 // PROTOCOL_ERROR
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
	skip   int                              // bytes until the next frame begins
	head   [frameHeadBytes + codeBytes]byte // the code is RST_STREAM's
	have   int
	fields *fieldWatch // is shown blocks of fields; nil: nobody
}

// next takes bytes away until a frame has shown what it is. Ok is false once
// all are taken.
func (w *frameWalk) next(p []byte) (rest []byte, f frameHead, ok bool) {
	if w.skip > 0 {
		n := min(w.skip, len(p))
		if w.fields != nil {
			w.fields.take(p[:n])
		}
		w.skip -= n
		p = p[n:]
	}
	for {
		need := frameHeadBytes
		if w.have >= need && w.head[3] == frameReset && w.length() >= codeBytes {
			need = len(w.head)
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
	f = frameHead{kind: w.head[3], flags: w.head[4], length: w.length(), stream: binary.BigEndian.Uint32(w.head[5:]) &^ (1 << 31)}
	w.skip = f.length - (w.have - frameHeadBytes)
	if w.have > frameHeadBytes {
		f.code = binary.BigEndian.Uint32(w.head[frameHeadBytes:])
	}
	w.have = 0
	if w.fields != nil {
		w.fields.begin(&f)
	}
	return p, f, true
}

// length is what a head that is there says of the frame's content.
func (w *frameWalk) length() int { return int(w.head[0])<<16 | int(w.head[1])<<8 | int(w.head[2]) }
