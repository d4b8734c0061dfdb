package http1

import "encoding/binary"

// A charset says which bytes belong to it.
type charset [256]bool

var (
	tokenChars  = charsetOf(alphanumeric + "!#$%&'*+-.^_`|~") // RFC 9110, 5.6.2
	hostChars   = charsetOf(alphanumeric + "-._~!$&'()*+;=")  // reg-name, but neither '%' nor ','
	targetChars = visibleWithout('#')
	valueChars  = fieldValueChars()
	lower       = lowerTable()
	hexValue    = hexTable()
)

const (
	alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	notHex       = 0xff
)

func (s *charset) holds(p []byte) bool {
	for _, b := range p {
		if !s[b] {
			return false
		}
	}
	return true
}

// cleanValue reports whether p has only bytes of a field value: visible ones,
// space, tab and those above ASCII (RFC 9110, 5.5). It looks at eight bytes at a
// time and examines singly only the words that hold a control byte.
func cleanValue(p []byte) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for len(p) >= 8 {
		w := binary.LittleEndian.Uint64(p)
		del := w ^ ones*0x7f
		if (w-ones*0x20)&^w&tops|(del-ones)&^del&tops != 0 && !valueChars.holds(p[:8]) {
			return false
		}
		p = p[8:]
	}
	return valueChars.holds(p)
}

// EqualFold compares without regard to the case of ASCII letters.
func EqualFold[T string | []byte](p []byte, s T) bool {
	if len(p) != len(s) {
		return false
	}
	for i := range p {
		if lower[p[i]] != lower[s[i]] {
			return false
		}
	}
	return true
}

func trimSpace(p []byte) []byte {
	for len(p) > 0 && (p[0] == ' ' || p[0] == '\t') {
		p = p[1:]
	}
	for len(p) > 0 && (p[len(p)-1] == ' ' || p[len(p)-1] == '\t') {
		p = p[:len(p)-1]
	}
	return p
}

func charsetOf(chars string) (s charset) {
	for i := range len(chars) {
		s[chars[i]] = true
	}
	return s
}

func visibleWithout(b byte) (s charset) {
	for i := '!'; i <= '~'; i++ {
		s[i] = byte(i) != b
	}
	return s
}

func fieldValueChars() (s charset) {
	for i := range s {
		s[i] = i >= ' ' && i != 0x7f || i == '\t'
	}
	return s
}

func lowerTable() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if i >= 'A' && i <= 'Z' {
			t[i] |= 0x20
		}
	}
	return t
}

func hexTable() (t [256]byte) {
	for i := range t {
		t[i] = notHex
	}
	for i, b := range "0123456789abcdef" {
		t[b] = byte(i)
	}
	for i, b := range "ABCDEF" {
		t[b] = byte(10 + i)
	}
	return t
}
