package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	sendMax    = 5 * time.Second        // for one message to the next process
	tellMax    = 100 * time.Millisecond // for one to a keeper, which must not hold anything up
	entriesMax = 16 << 10
)

// Store holds the entries of a process. Its files are borrowed: take an entry out before they are closed.
type Store struct {
	mu      sync.Mutex
	entries map[string]entry
	keeper  *Conn // told of every change; nil for none
}

type entry struct {
	value json.RawMessage
	files []syscall.Conn
	lent  bool
}

// NewStore returns an empty Store.
func NewStore() *Store { return &Store{entries: map[string]entry{}} }

// Put adds an entry, or replaces it. The error is that of a value that cannot be written, or of too many entries.
func (s *Store) Put(key string, value any, files ...syscall.Conn) error {
	return s.put(key, value, false, files)
}

// Lend is Put for what must end with this process unless another takes over from it while it lives: a keeper does not
// get it.
func (s *Store) Lend(key string, value any, files ...syscall.Conn) error {
	return s.put(key, value, true, files)
}

func (s *Store) put(key string, value any, lent bool, files []syscall.Conn) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("keep %s: %w", key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.entries[key]; !ok && len(s.entries) >= entriesMax {
		return fmt.Errorf("keep %s: there are %d entries already", key, entriesMax)
	}
	e := entry{text, files, lent}
	s.entries[key] = e
	s.tell(key, e)
	return nil
}

// Set changes the value of an entry and leaves its files. It does nothing where there is none.
func (s *Store) Set(key string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("keep %s: %w", key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[key]
	if !ok {
		return nil
	}
	e.value = text
	s.entries[key] = e
	s.tell(key, entry{value: text, lent: e.lent})
	return nil
}

// Remove takes an entry out.
func (s *Store) Remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.entries[key]; ok {
		delete(s.entries, key)
		s.send(Message{Key: key, Gone: true})
	}
}

// Attach tells a keeper of all entries, and from then on of every change. A later keeper takes the place of an earlier.
func (s *Store) Attach(keeper *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keeper = keeper
	for _, key := range slices.Sorted(maps.Keys(s.entries)) {
		s.tell(key, s.entries[key])
	}
}

// Detach tells the keeper nothing more.
func (s *Store) Detach() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keeper = nil
}

func (s *Store) tell(key string, e entry) {
	if !e.lent {
		s.send(Message{Key: key, Value: e.value}, e.files...)
	}
}

// send drops what a keeper does not take: then the entry does not outlive this process.
func (s *Store) send(m Message, files ...syscall.Conn) {
	if s.keeper != nil {
		_ = s.keeper.Send(m, tellMax, files...)
	}
}

// SendTo passes all entries on. The other end reads them with [Receive].
func (s *Store) SendTo(c *Conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(s.entries)) {
		e := s.entries[key]
		if err := c.Send(Message{Key: key, Value: e.value}, sendMax, e.files...); err != nil {
			return err
		}
	}
	return c.Send(Message{Value: allSent}, sendMax)
}

// What the ends of a handover say to each other.
var (
	allSent = json.RawMessage(`"these are all"`)
	taken   = json.RawMessage(`"taken"`)
)

// IsTaken reports whether a message says that everything has been taken over.
func IsTaken(m Message) bool { return m.Key == "" && string(m.Value) == string(taken) }

// AwaitTaken waits until the other end has taken over everything.
func AwaitTaken(c *Conn, until time.Time) error {
	m, files, err := c.Receive(until)
	CloseFiles(files)
	switch {
	case err != nil:
		return err
	case !IsTaken(m):
		return errors.New("an answer that nobody waits for: " + strings.TrimSpace(m.Key+" "+string(m.Value)))
	}
	return nil
}
