package http1

// chunks is the state of decoding a chunked body (RFC 9112, 7.1). Lines between
// the data are taken a byte at a time, so that they may be split anywhere.
type chunks struct {
	at       chunkState
	size     int64 // of the chunk whose line is being read
	digits   int
	line     int // bytes of the line being read
	overhead int64
	trailer  trailer
}

type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkExt
	chunkSizeLF
	chunkDataCR
	chunkDataLF
	chunkTrailer
)

// skipFraming consumes what stands between the data of chunks, as far as it is
// at hand, and moves on to bodyChunkData or bodyDone.
func (b *Body) skipFraming() error {
	c := b.c
	for b.state == bodyFraming && c.r < c.w {
		if err := b.step(c.in.bytes[c.r]); err != nil {
			return err
		}
		c.r++
	}
	return nil
}

func (b *Body) step(in byte) error {
	switch b.at {
	case chunkSize:
		return b.stepSize(in)
	case chunkExt:
		return b.stepExt(in)
	case chunkSizeLF:
		if in != '\n' {
			return bad("chunk line ends with a bare CR")
		}
		return b.endSize()
	case chunkDataCR:
		if in != '\r' {
			return bad("chunk data is not followed by CRLF")
		}
		b.at = chunkDataLF
	case chunkDataLF:
		if in != '\n' {
			return bad("chunk data is not followed by CRLF")
		}
		b.at = chunkSize
	case chunkTrailer:
		done, err := b.trailer.step(in, &b.c.limits)
		if done {
			b.state = bodyDone
		}
		return err
	}
	return nil
}

func (b *Body) stepSize(in byte) error {
	digit := hexValue[in]
	switch {
	case digit != notHex:
		if b.digits++; b.digits > chunkDigitsMax || b.size>>59 != 0 {
			return bad("chunk size is too large")
		}
		b.size = b.size<<4 | int64(digit)
		b.line++
		return nil
	case b.digits == 0:
		return bad("chunk size is missing")
	case in == ';':
		b.at = chunkExt
	case in == '\r':
		b.at = chunkSizeLF
	default:
		return bad("invalid byte in a chunk size")
	}
	b.line++
	return nil
}

func (b *Body) stepExt(in byte) error {
	b.line++
	switch {
	case in == '\r':
		b.at = chunkSizeLF
	case !valueChars[in]:
		return bad("invalid byte in a chunk extension")
	case b.line-b.digits > extBytesMax:
		return bad("chunk extension is too long")
	}
	return nil
}

// endSize begins a chunk. Lines may cost more than their data justify only up
// to a bound over the whole body, so that a sender of tiny chunks is tolerated
// and one of padding is not.
func (b *Body) endSize() error {
	b.overhead = max(0, b.overhead+int64(b.line)+3-16-2*min(b.size, chunkOverheadMax))
	if b.overhead > chunkOverheadMax {
		return bad("chunks with too little data")
	}
	size := b.size
	b.size, b.digits, b.line = 0, 0, 0
	if size == 0 {
		b.at = chunkTrailer
		return nil
	}
	b.at = chunkDataCR
	b.state, b.left = bodyChunkData, size
	return nil
}
