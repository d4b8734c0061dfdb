package supervise

import (
	"bufio"
	"errors"
	"io"
	"sync"
	"time"
)

// lineMax is the longest line of output in bytes; longer ones are broken.
const lineMax = 16 << 10

// output writes lines of many processes to one writer.
type output struct {
	mu   sync.Mutex
	to   io.Writer
	logs logFiles
}

// copyFrom writes each line of r with the prefix, until r ends: to the service's log file or, where it has none, to the
// writer of all. A last line without an end gets one. Errors of the writer are ignored: a replica must not hang because
// nobody listens to it.
func (o *output) copyFrom(r io.Reader, prefix string, c Config) {
	file, done := o.logs.use(c)
	defer done()
	lines := bufio.NewReaderSize(r, lineMax)
	whole := make([]byte, 0, 256)
	for {
		piece, err := lines.ReadSlice('\n')
		if len(piece) > 0 {
			whole = whole[:0]
			if file != nil && !c.Log.Plain {
				whole = append(time.Now().UTC().AppendFormat(whole, logTime), ' ')
			}
			if file == nil || !c.Log.Plain {
				whole = append(whole, prefix...)
			}
			whole = append(whole, piece...)
			if whole[len(whole)-1] != '\n' {
				whole = append(whole, '\n')
			}
			o.write(file, whole)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

const logTime = "2006-01-02T15:04:05.000Z"

func (o *output) write(file *sharedLog, line []byte) {
	if file != nil {
		file.write(line)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	_, _ = o.to.Write(line)
}
