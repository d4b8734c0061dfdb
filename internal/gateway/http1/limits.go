package http1

// Limits bound what a peer may send. A zero field means its default.
type Limits struct {
	HeadBytesMax    int // start line and fields together; default 32 KiB
	TargetBytesMax  int // request target; default 8 KiB
	FieldsMax       int // number of fields; default 100
	TrailerBytesMax int // fields after a chunked body; default 8 KiB
}

// Bounds that no configuration moves: nothing legitimate comes near them.
const (
	methodBytesMax   = 32
	extBytesMax      = 256      // one chunk's extension
	chunkDigitsMax   = 16       // one chunk's size
	chunkOverheadMax = 16 << 10 // chunk lines beyond what their data justify
)

// filled returns the limits with defaults in place of zeros.
func (l *Limits) filled() Limits {
	var f Limits
	if l != nil {
		f = *l
	}
	setDefault(&f.HeadBytesMax, 32<<10)
	setDefault(&f.TargetBytesMax, 8<<10)
	setDefault(&f.FieldsMax, 100)
	setDefault(&f.TrailerBytesMax, 8<<10)
	return f
}

func setDefault(n *int, value int) {
	if *n <= 0 {
		*n = value
	}
}
