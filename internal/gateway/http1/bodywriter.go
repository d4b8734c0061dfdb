package http1

// chunkLine is the room for an open chunk's size, which is filled in when the
// chunk is closed: four digits suffice for what a block holds.
const chunkLine = "0000\r\n"

// WriteBody adds a piece of a body in the given framing. Pieces of a chunked
// body are gathered into chunks as large as the buffer allows; EndBody ends it.
// The caller keeps to a Length that it announced.
func (w *writer) WriteBody(p []byte, f Framing) {
	switch {
	case f.Chunked:
		w.writeChunked(p)
	case len(p) >= directBytesMin && !w.fits(len(p)):
		w.send(p)
	default:
		w.AppendBytes(p)
	}
}

// EndBody adds the last chunk of a chunked body.
func (w *writer) EndBody(f Framing) {
	if f.Chunked {
		w.closeChunk()
		w.AppendString(lastChunk)
	}
}

func (w *writer) writeChunked(p []byte) {
	if len(p) >= directBytesMin && !w.fits(len(chunkLine)+len(p)+len(crlf)) {
		w.closeChunk()
		w.appendHex(len(p))
		w.AppendString(crlf)
		w.send(p)
		w.AppendString(crlf)
		return
	}
	for len(p) > 0 {
		if !w.openChunk() {
			return
		}
		n := copy(w.out.bytes[w.n:len(w.out.bytes)-len(crlf)], p)
		w.n += n
		p = p[n:]
	}
}

// openChunk makes sure that a chunk is open, with room for at least a byte and
// the CRLF after it.
func (w *writer) openChunk() bool {
	if !w.space(len(chunkLine) + 1 + len(crlf)) {
		return false
	}
	if w.chunk < 0 {
		w.chunk = w.n
		w.n += copy(w.out.bytes[w.n:], chunkLine)
	}
	return true
}

func (w *writer) closeChunk() {
	if w.chunk < 0 {
		return
	}
	const digits = "0123456789abcdef"
	line := w.out.bytes[w.chunk:]
	size := w.n - w.chunk - len(chunkLine)
	for i := 3; i >= 0; i-- {
		line[i] = digits[size&15]
		size >>= 4
	}
	w.n += copy(w.out.bytes[w.n:], crlf)
	w.chunk = -1
}

// fits reports whether n more bytes go into the block as it is or as it may grow.
func (w *writer) fits(n int) bool {
	return w.n+n <= blockLarge
}
