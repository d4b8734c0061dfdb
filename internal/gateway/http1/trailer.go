package http1

// trailer checks the fields after a chunked body, which are dropped. It takes a
// byte at a time and keeps only the start of a field's name.
type trailer struct {
	at     trailerState
	bytes  int
	fields int
	name   [trailerNameMax]byte
	length int // of the name
}

// trailerNameMax is the length of the longest name in forbiddenTrailers.
const trailerNameMax = len("proxy-authorization")

type trailerState uint8

const (
	trailerStart trailerState = iota
	trailerName
	trailerValue
	trailerLF
	trailerEndLF
)

// forbiddenTrailers are names that decide on framing, routing or identity: some
// recipients merge trailers into the head (RFC 9110, 6.5.1).
var forbiddenTrailers = [...]string{
	"authorization", "connection", "content-encoding", "content-length", "content-range", "content-type", "cookie",
	"expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "set-cookie", "te",
	"trailer", "transfer-encoding", "upgrade", "www-authenticate",
}

func forbiddenTrailer(name []byte) bool {
	for _, forbidden := range forbiddenTrailers {
		if EqualFold(name, forbidden) {
			return true
		}
	}
	return false
}

// step returns true after the empty line that ends the body.
func (t *trailer) step(in byte, l *Limits) (done bool, err error) {
	if t.bytes++; t.bytes > l.TrailerBytesMax {
		return false, refuse(431, "trailers are too large")
	}
	switch t.at {
	case trailerStart:
		if in == '\r' {
			t.at = trailerEndLF
			return false, nil
		}
		if t.fields++; t.fields > l.FieldsMax {
			return false, refuse(431, "too many trailers")
		}
		t.at, t.length = trailerName, 0
		return false, t.stepName(in)
	case trailerName:
		return false, t.stepName(in)
	case trailerValue:
		if in == '\r' {
			t.at = trailerLF
		} else if !valueChars[in] {
			return false, bad("invalid byte in a trailer value")
		}
		return false, nil
	}
	if in != '\n' {
		return false, bad("trailer line ends with a bare CR")
	}
	done = t.at == trailerEndLF
	t.at = trailerStart
	return done, nil
}

func (t *trailer) stepName(in byte) error {
	switch {
	case in == ':' && t.length > 0:
		t.at = trailerValue
		if t.length <= trailerNameMax && forbiddenTrailer(t.name[:t.length]) {
			return bad("forbidden trailer")
		}
		return nil
	case !tokenChars[in]:
		return bad("invalid byte in a trailer name")
	}
	if t.length < trailerNameMax {
		t.name[t.length] = in
	}
	t.length++
	return nil
}
