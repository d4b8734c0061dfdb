package gateway

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// feed gives a body to one try after another while it comes. It keeps what it
// has read, up to a limit, so that a later try begins with that.
type feed struct {
	from   source // read by one tap at a time
	most   int64  // that the body may have
	length int64  // that was announced; negative for none
	keep   int    // bytes kept at most

	mu      sync.Mutex
	changed sync.Cond // of what follows
	kept    []byte
	spilled bool // more has come than is kept: nothing can begin again
	reading bool
	stopped bool
	count   int64
	began   time.Time
	took    time.Duration // until its end had come
	err     error         // why nothing more comes; io.EOF at the end
	ended   chan struct{}
}

func newFeed(from source, most, length int64, keep int) *feed {
	f := &feed{from: from, most: most, length: length, keep: keep, began: time.Now(), ended: make(chan struct{})}
	f.changed.L = &f.mu
	return f
}

// tap gives the body from its beginning. The one before it must be closed.
func (f *feed) tap() *tap { return &tap{feed: f} }

// replayable reports whether a tap can give the whole body yet.
func (f *feed) replayable() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.spilled && (f.err == nil || f.err == io.EOF)
}

// stop ends the feed, for all taps, once nobody reads.
func (f *feed) stop(interrupt func(ended <-chan struct{})) {
	f.mu.Lock()
	f.stopped = true
	reading := f.reading
	f.mu.Unlock()
	if !reading {
		return
	}
	idle := make(chan struct{})
	go func() {
		f.mu.Lock()
		for f.reading {
			f.changed.Wait()
		}
		f.mu.Unlock()
		close(idle)
	}()
	interrupt(idle)
}

// tap is the body as one try reads it.
type tap struct {
	feed   *feed
	at     int // of kept; behind its end once it has spilled
	closed bool

	writing sync.Mutex // held while what was read is written to a connection
	sent    bool       // the whole body has been; guarded by writing
}

var errTapClosed = errors.New("the try that read the body has ended")

// Read waits while the tap before it is still in a read.
func (t *tap) Read(p []byte) (int, error) {
	f := t.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case t.closed || f.stopped:
			return 0, errTapClosed
		case t.at < len(f.kept):
			n := copy(p, f.kept[t.at:])
			t.at += n
			return n, nil
		case f.err != nil:
			return 0, f.err
		case f.reading:
			f.changed.Wait()
			continue
		}
		return t.fetch(p)
	}
}

// fetch reads more of the body, and keeps it where there is room. It is called,
// and returns, with the feed locked.
func (t *tap) fetch(p []byte) (int, error) {
	f := t.feed
	f.reading = true
	f.mu.Unlock()
	n, err := f.from.Read(p)
	f.mu.Lock()
	f.reading = false
	f.changed.Broadcast()
	f.count += int64(n)
	switch {
	case f.count > f.most:
		n, err = 0, http1.ErrTooLong
	case f.length >= 0 && (f.count > f.length || err == io.EOF && f.count < f.length):
		n, err = 0, io.ErrUnexpectedEOF // passing it on would make two requests of one, or half of one
	}
	if f.spilled = f.spilled || len(f.kept)+n > f.keep; f.spilled {
		f.kept = nil
	} else {
		f.kept = append(f.kept, p[:n]...)
		t.at += n
	}
	if err != nil {
		if err != io.EOF {
			err = &http1.ReadError{Err: err}
		}
		f.err, f.took = err, time.Since(f.began)
		close(f.ended)
	}
	if n > 0 {
		return n, nil // the error comes with the next read
	}
	return 0, err
}

// over reports whether nothing is read any more.
func (t *tap) over() bool {
	t.feed.mu.Lock()
	defer t.feed.mu.Unlock()
	return t.closed || t.feed.err != nil || t.feed.stopped
}

// pour writes the body to a connection while it comes.
func (t *tap) pour(u *upstreamConn, f http1.Framing) {
	defer t.Close()
	buf := passages.Get().(*[32 << 10]byte)
	defer passages.Put(buf)
	for {
		n, err := t.Read(buf[:])
		if (err != nil && err != io.EOF) || !t.write(u, buf[:n], f, err == io.EOF) {
			return
		}
	}
}

// write reports whether there may be more to write.
func (t *tap) write(u *upstreamConn, p []byte, f http1.Framing, last bool) bool {
	t.writing.Lock()
	defer t.writing.Unlock()
	t.feed.mu.Lock()
	closed := t.closed
	t.feed.mu.Unlock()
	if closed { // the connection is no longer the try's
		return false
	}
	u.WriteBody(p, f)
	if last {
		u.EndBody(f)
	}
	err := u.Flush()
	t.sent = last && err == nil
	return !last && err == nil
}

// leave ends the tap and what it writes, and reports whether all was written.
func (t *tap) leave(u upstream) (sent bool) {
	_ = t.Close()
	if !t.writing.TryLock() {
		_ = u.Close() // it may be stuck
		t.writing.Lock()
	}
	defer t.writing.Unlock()
	return t.sent
}

// Close ends the tap. A read of it that is under way is not for nothing: what
// it brings is kept for the next.
func (t *tap) Close() error {
	t.feed.mu.Lock()
	t.closed = true
	t.feed.mu.Unlock()
	t.feed.changed.Broadcast()
	return nil
}
