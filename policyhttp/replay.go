package policyhttp

import (
	"errors"
	"io"
	"sync"
)

// errSuperseded ends what an earlier try still reads of a body.
var errSuperseded = errors.New("policyhttp: a later try sends the body")

// replay is a request's body that several tries send one after another. What
// the first reads is kept for the next, as long as it is not too much.
type replay struct {
	source io.ReadCloser
	max    int
	length int64 // 0 or less when unknown

	reading sync.Mutex // held by who reads the source

	mu      sync.Mutex
	kept    []byte        // guarded
	total   int           // guarded: how much of the source was read
	end     error         // guarded: how the source ended
	current *replayReader // guarded: the last try's
	over    bool          // guarded: no further try will come
	closed  bool          // guarded: the source is
}

// replayReader is the body of one try.
type replayReader struct {
	replay   *replay
	position int  // guarded by the replay's reading
	closed   bool // guarded by the replay's mu
}

// reader returns the body of the next try and ends that of the one before.
func (b *replay) reader() *replayReader {
	r := &replayReader{replay: b}
	b.mu.Lock()
	b.current = r
	b.mu.Unlock()
	return r
}

// whole reports whether a further try can send the same: all that was read is
// kept, and nobody reads on.
func (b *replay) whole() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.keeps() && (b.current == nil || b.current.closed || b.ended())
}

// complete reports whether all of the body is in memory.
func (b *replay) complete() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.keeps() && b.ended()
}

func (b *replay) keeps() bool {
	return b.total == len(b.kept) && (b.end == nil || b.end == io.EOF)
}

func (b *replay) ended() bool { return b.end != nil || b.length > 0 && int64(b.total) == b.length }

// finish says that no further try will come. The source is closed once the
// last one needs it no more.
func (b *replay) finish() {
	b.mu.Lock()
	b.over = true
	b.closeUnused()
}

// closeUnused unlocks mu, and closes the source if nobody needs it any more.
func (b *replay) closeUnused() error {
	unused := b.over && !b.closed && (b.current == nil || b.current.closed)
	b.closed = b.closed || unused
	b.mu.Unlock()
	if unused {
		return b.source.Close()
	}
	return nil
}

// Read gives what is kept, and then reads on in the source.
func (r *replayReader) Read(p []byte) (int, error) {
	b := r.replay
	b.reading.Lock()
	defer b.reading.Unlock()
	if n, err, done := r.again(p); done {
		return n, err
	}
	n, err := b.source.Read(p)
	r.position += n
	b.keep(p[:n], err)
	return n, err
}

// again reads from what is kept. It is done unless the source has more.
func (r *replayReader) again(p []byte) (n int, err error, done bool) {
	b := r.replay
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.current != r:
		return 0, errSuperseded, true
	case r.position < len(b.kept):
		n = copy(p, b.kept[r.position:])
		r.position += n
		return n, nil, true
	case r.position < b.total:
		return 0, ErrNotRepeatable, true
	case b.end != nil:
		return 0, b.end, true
	}
	return 0, nil, false
}

func (b *replay) keep(p []byte, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end = err
	fits := b.total == len(b.kept) && b.total+len(p) <= b.max
	b.total += len(p)
	if fits {
		b.kept = append(b.kept, p...)
	} else {
		b.kept = nil
	}
}

// Close says that this try needs the body no more.
func (r *replayReader) Close() error {
	r.replay.mu.Lock()
	r.closed = true
	return r.replay.closeUnused()
}
