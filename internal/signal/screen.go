package signal

import (
	"io"
	"time"
)

// screen writes to a terminal in a goroutine of its own, since a terminal may
// stand still for as long as it likes, and nobody should wait for it.
type screen struct {
	texts chan string
	gone  chan struct{} // closed when nothing is written any more
}

// screenPatience is how long the last text may take.
const screenPatience = 500 * time.Millisecond

func newScreen(out io.Writer) *screen {
	s := &screen{texts: make(chan string, 2), gone: make(chan struct{})}
	go func() {
		defer close(s.gone)
		for text := range s.texts {
			if _, err := io.WriteString(out, text); err != nil {
				return
			}
		}
	}()
	return s
}

// put writes a text, or drops it while the terminal is slow.
func (s *screen) put(text string) {
	select {
	case s.texts <- text:
	default:
	}
}

// close writes a last text and waits for it, within limits.
func (s *screen) close(text string) {
	patience := time.NewTimer(screenPatience)
	defer patience.Stop()
	select {
	case s.texts <- text:
	case <-s.gone:
		return
	case <-patience.C:
		return
	}
	close(s.texts)
	select {
	case <-s.gone:
	case <-patience.C:
	}
}
