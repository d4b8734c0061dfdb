package http1

import "math"

// framing decides how the body is delimited (RFC 9112, 6.3), for a message of
// the given minor version. It knows nothing of status codes.
func (t *traits) framing(minor int) (Framing, error) {
	switch {
	case t.lengths > 0 && t.codings > 0:
		return Framing{}, bad("both Content-Length and Transfer-Encoding")
	case t.lengths > 1:
		return Framing{}, bad("repeated Content-Length")
	case t.codings > 1:
		return Framing{}, bad("repeated Transfer-Encoding")
	case t.lengths == 1:
		n, err := parseLength(t.length)
		return Framing{Length: n}, err
	case t.codings == 0:
		return Framing{}, nil
	case minor == 0:
		return Framing{}, bad("Transfer-Encoding in HTTP/1.0")
	case EqualFold(t.coding, "chunked"):
		return Framing{Chunked: true}, nil
	default:
		return Framing{}, refuseCoding(t.coding)
	}
}

func parseLength(p []byte) (int64, error) {
	if len(p) == 0 {
		return 0, bad("empty Content-Length")
	}
	var n int64
	for _, b := range p {
		digit := int64(b) - '0'
		if digit < 0 || digit > 9 {
			return 0, bad("Content-Length is not a number")
		}
		if n > (math.MaxInt64-digit)/10 {
			return 0, bad("Content-Length is too large")
		}
		n = n*10 + digit
	}
	return n, nil
}

// refuseCoding answers 501 to codings that may exist but are not known here, and
// 400 to lists that cannot be right: no tokens, or chunked not once and last.
func refuseCoding(value []byte) error {
	chunked, last := 0, []byte(nil)
	for token, rest := nextToken(value); token != nil; token, rest = nextToken(rest) {
		if !tokenChars.holds(token) {
			return bad("invalid Transfer-Encoding")
		}
		if EqualFold(token, "chunked") {
			chunked++
		}
		last = token
	}
	if last == nil || chunked > 1 || chunked == 1 && !EqualFold(last, "chunked") {
		return bad("invalid Transfer-Encoding")
	}
	return refuse(501, "unknown transfer coding")
}
