package handover

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Inheritance is what a process has from the one before it. Its entries are taken one by one; Close closes those that
// nobody took.
type Inheritance struct {
	entries map[string]Entry
	from    *Conn
}

// Entry is a value and files that the taker closes.
type Entry struct {
	Value json.RawMessage
	Files []*os.File
}

// Receive reads what [Store.SendTo] sends.
func Receive(c *Conn, until time.Time) (*Inheritance, error) {
	in := &Inheritance{entries: map[string]Entry{}, from: c}
	for {
		m, files, err := c.Receive(until)
		if err != nil {
			in.Close()
			return nil, fmt.Errorf("receive what is handed over: %w", err)
		}
		if m.Key == "" {
			CloseFiles(files)
			if string(m.Value) == string(allSent) {
				return in, nil
			}
			in.Close()
			return nil, fmt.Errorf("receive what is handed over: got %s", m.Value)
		}
		in.keep(m, files)
	}
}

// keep is what a message does to the entries. One without files leaves those that there are.
func (in *Inheritance) keep(m Message, files []*os.File) {
	old, ok := in.entries[m.Key]
	switch {
	case m.Gone:
		CloseFiles(append(old.Files, files...))
		delete(in.entries, m.Key)
	case !ok && len(in.entries) >= entriesMax:
		CloseFiles(files)
	case len(files) == 0:
		in.entries[m.Key] = Entry{m.Value, old.Files}
	default:
		CloseFiles(old.Files)
		in.entries[m.Key] = Entry{m.Value, files}
	}
}

// Take returns an entry once.
func (in *Inheritance) Take(key string) (Entry, bool) {
	if in == nil {
		return Entry{}, false
	}
	e, ok := in.entries[key]
	delete(in.entries, key)
	return e, ok
}

// Keys lists the entries that begin so and were not taken yet.
func (in *Inheritance) Keys(prefix string) []string {
	if in == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(in.entries)), func(key string) bool { return !strings.HasPrefix(key, prefix) })
}

// Taken tells the other end that everything has been taken over, and closes what was not. After that the other end
// does nothing more for it.
func (in *Inheritance) Taken() error {
	defer in.Close()
	return in.from.Send(Message{Value: taken}, sendMax)
}

// Close closes what was not taken, and the connection. Without Taken the other end goes on as if nothing had been
// handed over.
func (in *Inheritance) Close() {
	for _, key := range in.Keys("") {
		CloseFiles(in.entries[key].Files)
		delete(in.entries, key)
	}
	_ = in.from.Close() // everything that matters was sent
}

// Holder is the keeper's side: it collects what a Store tells it, until that ends.
type Holder struct{ in *Inheritance }

// Hold reads until the other end closes, however that happens.
func Hold(c *Conn) *Holder {
	h := &Holder{&Inheritance{entries: map[string]Entry{}, from: c}}
	for {
		m, files, err := c.Receive(time.Time{})
		if err != nil {
			return h
		}
		h.in.keep(m, files)
	}
}

// Empty reports whether there is nothing to hand over.
func (h *Holder) Empty() bool { return len(h.in.entries) == 0 }

// SendTo passes all on, and waits until it has been taken over.
func (h *Holder) SendTo(c *Conn, until time.Time) error {
	s := NewStore()
	for key, e := range h.in.entries {
		files := make([]syscall.Conn, len(e.Files))
		for i, f := range e.Files {
			files[i] = f
		}
		s.entries[key] = entry{value: e.Value, files: files}
	}
	if err := s.SendTo(c); err != nil {
		return err
	}
	return AwaitTaken(c, until)
}

// Close closes all that is held.
func (h *Holder) Close() { h.in.Close() }
