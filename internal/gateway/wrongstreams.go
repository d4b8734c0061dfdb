package gateway

import (
	"encoding/binary"
	"sync"
)

// wrongStreams are those that are to end with a reset: net/http ends what is
// malformed with an answer alone, where RFC 9113, section 8.1.1, wants an error of
// the stream.
type wrongStreams struct {
	mu      sync.Mutex // held for a moment only: reading must not wait for writing
	streams map[uint32]struct{}
}

func (w *wrongStreams) add(stream uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.streams == nil {
		w.streams = make(map[uint32]struct{})
	}
	w.streams[stream] = struct{}{}
}

// remove reports whether the stream was one of them.
func (w *wrongStreams) remove(stream uint32) (was bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, was = w.streams[stream]
	delete(w.streams, stream)
	return was
}

func (w *wrongStreams) any() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.streams) > 0
}

// resetting is what is written in place of p, where one of the wrong streams may
// end: its last frame does not end it, and a reset comes behind.
func (m *metered) resetting(p []byte) (q []byte) {
	for {
		if m.reset != 0 && m.out.skip <= len(p) {
			q, p = append(q, p[:m.out.skip]...), p[m.out.skip:]
			q = append(q, 0, 0, codeBytes, frameReset, 0)
			q = binary.BigEndian.AppendUint32(q, m.reset)
			q = binary.BigEndian.AppendUint32(q, codeProtocol)
			m.out.skip, m.reset = 0, 0
			m.earn((&frameHead{kind: frameReset, code: codeProtocol}).sent())
		}
		rest, f, ok := m.out.next(p)
		q, p = append(q, p[:len(p)-len(rest)]...), rest
		if !ok {
			return q
		}
		m.earn(f.sent())
		ends := f.flags&flagEndStream != 0 && (f.kind == frameData || f.kind == frameHeaders && f.flags&flagEndHeaders != 0)
		switch {
		case f.kind == frameReset:
			m.wrong.remove(f.stream)
		case ends && m.wrong.remove(f.stream):
			if m.reset = f.stream; len(q) >= frameHeadBytes { // else the flag is out
				q[len(q)-frameHeadBytes+4] &^= flagEndStream
			}
		}
	}
}
