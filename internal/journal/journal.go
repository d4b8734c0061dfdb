package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Options say where a journal is kept and how much of it.
type Options struct {
	// Dir is the folder of its files, which is made. Empty keeps the last 10,000
	// entries in memory alone.
	Dir string
	// FileBytesMax is the size from which a new file is begun. Default 4 MiB.
	FileBytesMax int64
	// FilesMax is how many files are kept of what happens every day, and as many of
	// all else. Default 16.
	FilesMax int
	// Log is told when entries cannot be written, and when they can again. Nil:
	// nobody is.
	Log *slog.Logger
}

const (
	memoryMax      = 10_000 // entries that no file has
	pendingMax     = 1000   // entries that Post has taken and that are not yet written
	subscribersMax = 256
	subscriberMax  = 256 // entries that a subscriber may lag behind
	syncEvery      = time.Second
)

// ErrClosed is returned after Close.
var ErrClosed = errors.New("the journal is closed")

// ErrUnwritten is returned for an entry that could not be written, such as to a
// full disk. It is in memory, and written once that is possible again; of more
// than 10,000 the oldest are lost, and all where the process ends before.
var ErrUnwritten = errors.New("the entry is in memory only")

// Journal is an append-only log. Its methods may be called by many goroutines
// at once.
type Journal struct {
	log     *slog.Logger
	pending chan Entry

	mu          sync.Mutex // guards what follows
	folder      *folder    // nil without one, and while it is suspended
	suspended   *folder    // what folder was
	memory      ring       // what no file has: without a folder all, with one what could not be written
	unwritten   bool       // whether the last entry could not be
	last        uint64     // ID
	lost        uint64     // entries that Post found no room for
	subscribers map[chan Entry]bool
	closed      bool
}

// Open reads where the journal in the folder ends and goes on there. What a
// killed process left of a half-written line is removed.
func Open(o Options) (*Journal, error) {
	if o.FileBytesMax <= 0 {
		o.FileBytesMax = 4 << 20
	}
	if o.FilesMax <= 0 {
		o.FilesMax = 16
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	j := &Journal{log: o.Log, memory: ring{most: memoryMax}, pending: make(chan Entry, pendingMax), subscribers: map[chan Entry]bool{}}
	if o.Dir == "" {
		return j, nil
	}
	f, last, err := openFolder(o)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	j.folder, j.last = f, last
	return j, nil
}

// Append writes an entry and returns it with its ID. When it returns, the entry
// survives the end of the process; the disk has it about a second later, while
// Serve runs. With ErrUnwritten it does not survive, but has an ID, is read and
// told to subscribers.
func (j *Journal) Append(e Entry) (Entry, error) {
	e = e.bounded()
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Time = e.Time.UTC().Round(0) // without a monotonic reading, as it will be read back
	if e.Level == "" {
		e.Level = LevelNote
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return e, ErrClosed
	}
	e.ID = j.last + 1
	err := j.keep(e)
	if err != nil && !errors.Is(err, ErrUnwritten) {
		return e, err
	}
	j.last = e.ID
	for c := range j.subscribers {
		select {
		case c <- e:
		default: // it lags: it is told so, and can read on from the last that it got
			delete(j.subscribers, c)
			close(c)
		}
	}
	return e, err
}

// keep puts an entry where it belongs, behind those that could not be written
// before. The caller holds mu.
func (j *Journal) keep(e Entry) error {
	if _, err := json.Marshal(e.Time); err != nil {
		return fmt.Errorf("write the journal: %w", err) // it would never be possible
	}
	if j.folder == nil {
		j.memory.push(e)
		return nil
	}
	err := j.settle()
	if err == nil {
		err = j.folder.append(e)
	}
	if err == nil {
		return nil
	}
	j.memory.push(e)
	if !j.unwritten {
		j.unwritten = true
		j.log.Error("the journal cannot be written; what happens is kept in memory alone until it can", "error", err)
	}
	return fmt.Errorf("%w: %w", ErrUnwritten, err)
}

// settle writes what could not be written before. The caller holds mu.
func (j *Journal) settle() error {
	waiting := j.memory.list()
	if len(waiting) == 0 {
		return nil
	}
	for i, e := range waiting {
		if err := j.folder.append(e); err != nil {
			j.memory = ring{most: memoryMax, entries: waiting[i:]}
			return err
		}
	}
	j.memory = ring{most: memoryMax}
	j.unwritten = false
	j.log.Warn("the journal can be written again", "entries", len(waiting))
	return nil
}

// Post is Append for those who must not wait for a disk: Serve writes the entry.
// Where 1,000 wait already it is lost, and the next one that is written says so.
func (j *Journal) Post(e Entry) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	select {
	case j.pending <- e:
	default:
		j.mu.Lock()
		j.lost++
		j.mu.Unlock()
	}
}

// Serve writes what is posted, and brings all to the disk once a second, until
// the context ends. It returns nil.
func (j *Journal) Serve(ctx context.Context) error {
	ticker := time.NewTicker(syncEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			j.drain()
			return nil
		case e := <-j.pending:
			j.write(e)
		case <-ticker.C:
			if err := j.sync(); err != nil {
				j.log.Error("the journal did not reach the disk", "error", err)
			}
		}
	}
}

// drain writes what has been posted so far.
func (j *Journal) drain() {
	for {
		select {
		case e := <-j.pending:
			j.write(e)
		default:
			return
		}
	}
}

func (j *Journal) write(e Entry) {
	j.mu.Lock()
	lost := j.lost
	j.lost = 0
	j.mu.Unlock()
	if lost > 0 {
		e.Why += fmt.Sprintf(" (%d entries before this one were lost: too many came at once)", lost)
	}
	if _, err := j.Append(e); err != nil && !errors.Is(err, ErrUnwritten) {
		j.log.Error("an entry is missing in the journal", "kind", string(e.Kind), "subject", e.Subject, "error", err)
	}
}

func (j *Journal) sync() error {
	j.mu.Lock()
	f := j.folder
	if f != nil {
		_ = j.settle() // it was said that it cannot be written
	}
	j.mu.Unlock()
	if f == nil {
		return nil
	}
	return f.sync()
}

// Last returns the ID of the newest entry; 0 without any.
func (j *Journal) Last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// Unwritten is how many entries are in memory alone, since they could not be
// written; without a folder none could.
func (j *Journal) Unwritten() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.folder == nil {
		return 0
	}
	return len(j.memory.entries)
}

// Subscribe returns a channel of the entries to come. It is closed when ctx
// ends, when the journal closes, and when the reader lags behind by 256 entries
// or 256 others read: Read with After then tells what was missed.
func (j *Journal) Subscribe(ctx context.Context) <-chan Entry {
	c := make(chan Entry, subscriberMax)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed || len(j.subscribers) >= subscribersMax {
		close(c)
		return c
	}
	j.subscribers[c] = true
	context.AfterFunc(ctx, func() { j.unsubscribe(c) })
	return c
}

func (j *Journal) unsubscribe(c chan Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.subscribers[c] {
		delete(j.subscribers, c)
		close(c)
	}
}

// Close writes what is posted, brings it to the disk, and ends subscriptions.
func (j *Journal) Close() error {
	j.drain()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	for c := range j.subscribers {
		delete(j.subscribers, c)
		close(c)
	}
	if j.folder == nil {
		return nil
	}
	if err := errors.Join(j.settle(), j.folder.close()); err != nil {
		return fmt.Errorf("close the journal: %w", err)
	}
	return nil
}
