package gateway

import "golang.org/x/net/http2/hpack"

// fieldWatch reads the blocks of fields that a client of HTTP/2 sends, and tells
// of requests that net/http answers with 400, since they have fields that belong
// to a connection (RFC 9113, section 8.2.2).
type fieldWatch struct {
	malformed func(stream uint32)
	stringMax int // of a name or a value

	decoder *hpack.Decoder // keeps the table that the connection's blocks share
	lost    bool           // out of step with the client: net/http will find it, too
	newest  uint32         // stream
	request bool           // the block is a request's, and not its trailers
	tes     int            // fields of TE
	bad     bool

	within    bool // a frame of the block
	ends      bool // the block, with the frame
	left      int  // bytes of the frame to come
	lead, pad int  // of the frame: bytes before and after its part of the block
	padded    bool // the first of them says how many come after
}

// begin is shown the head of each frame.
func (w *fieldWatch) begin(f *frameHead) {
	w.within = !w.lost && (f.kind == frameHeaders || f.kind == frameContinuation)
	if !w.within {
		return
	}
	w.left, w.lead, w.pad, w.padded, w.ends = f.length, 0, 0, false, f.flags&flagEndHeaders != 0
	if f.kind == frameHeaders {
		w.request, w.tes, w.bad = f.stream > w.newest, 0, false
		w.newest = max(w.newest, f.stream)
		if w.padded = f.flags&flagPadded != 0; w.padded {
			w.lead++
		}
		if f.flags&flagPriority != 0 {
			w.lead += 5
		}
	}
	if w.left == 0 {
		w.end()
	}
}

// take is shown the content of each frame, in pieces.
func (w *fieldWatch) take(p []byte) {
	if !w.within {
		return
	}
	if w.padded && len(p) > 0 {
		w.pad, w.padded = int(p[0]), false
	}
	w.left -= len(p)
	n := min(w.lead, len(p))
	w.lead -= n
	p = p[n:]
	if p = p[:len(p)-min(max(w.pad-w.left, 0), len(p))]; len(p) > 0 {
		if w.decoder == nil {
			w.decoder = hpack.NewDecoder(4096, w.field) // as much as net/http allows
			w.decoder.SetMaxStringLength(w.stringMax)
		}
		if _, err := w.decoder.Write(p); err != nil {
			w.lost, w.within = true, false
			return
		}
	}
	if w.left == 0 {
		w.end()
	}
}

// end ends a frame of the block.
func (w *fieldWatch) end() {
	w.within = false
	if !w.ends {
		return
	}
	if w.decoder != nil && w.decoder.Close() != nil {
		w.lost = true
	}
	if w.bad {
		w.malformed(w.newest)
	}
}

func (w *fieldWatch) field(f hpack.HeaderField) {
	switch f.Name {
	case "te":
		w.tes++
		w.bad = w.bad || w.request && (w.tes > 1 || f.Value != "" && f.Value != "trailers")
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		w.bad = w.bad || w.request
	}
}
