package http1

import "testing"

// TestCleanValueAgreesWithItsTable puts each byte at each place of a value that
// is looked at in words, among neighbours that could carry into it.
func TestCleanValueAgreesWithItsTable(t *testing.T) {
	for _, neighbour := range []byte{'a', ' ', '\t', 0x80, 0xff, '~'} {
		for at := range 18 {
			for b := range 256 {
				var value [18]byte
				for i := range value {
					value[i] = neighbour
				}
				value[at] = byte(b)
				if got, want := cleanValue(value[:]), b >= ' ' && b != 0x7f || b == '\t'; got != want {
					t.Fatalf("byte %#x at %d among %#x: got %v, want %v", b, at, neighbour, got, want)
				}
			}
		}
	}
}
