package supervise

import (
	"bufio"
	"errors"
	"io"
	"sync"
)

// lineMax is the longest line of output in bytes; longer ones are broken.
const lineMax = 16 << 10

// output writes lines of many processes to one writer.
type output struct {
	mu sync.Mutex
	to io.Writer
}

// copyFrom writes each line of r with the prefix, until r ends. A last line without an end gets one. Errors of the
// writer are ignored: a replica must not hang because nobody listens to it.
func (o *output) copyFrom(r io.Reader, prefix string) {
	lines := bufio.NewReaderSize(r, lineMax)
	whole := make([]byte, 0, 256)
	for {
		piece, err := lines.ReadSlice('\n')
		if len(piece) > 0 {
			whole = append(append(whole[:0], prefix...), piece...)
			if whole[len(whole)-1] != '\n' {
				whole = append(whole, '\n')
			}
			o.mu.Lock()
			_, _ = o.to.Write(whole)
			o.mu.Unlock()
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
