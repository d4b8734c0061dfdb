package idempotency

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// MemoryConfig configures a [Memory]. Zero fields take the default beside them.
type MemoryConfig struct {
	// EntriesMax is how many keys are kept at once. Default 100000.
	EntriesMax int
	// BytesMax is about how much memory they may take. Default 64 MiB.
	BytesMax int64
}

// Validate returns a [policy.FieldError] for each field that cannot be used,
// joined.
func (c MemoryConfig) Validate() error {
	var problems []error
	if c.EntriesMax < 0 {
		problems = append(problems, &policy.FieldError{Field: "entriesMax", Problem: fmt.Sprintf("want 0 or more, got %d", c.EntriesMax)})
	}
	if c.BytesMax < 0 {
		problems = append(problems, &policy.FieldError{Field: "bytesMax", Problem: fmt.Sprintf("want 0 or more, got %d", c.BytesMax)})
	}
	return errors.Join(problems...)
}

// WithDefaults returns the configuration with its defaults filled in.
func (c MemoryConfig) WithDefaults() MemoryConfig {
	setDefault(&c.EntriesMax, 100_000)
	setDefault(&c.BytesMax, 64<<20)
	return c
}

// Memory is a [Store] in the memory of one process. When it is full, the oldest
// answers go, and repeats of theirs are served anew; requests that are being
// served never lose their key. It is safe for concurrent use.
type Memory struct {
	config MemoryConfig

	mu      sync.Mutex
	entries map[string]*list.Element // guarded, as all below: of *kept
	claims  list.List                // in the order in which they came
	answers list.List                // in the order in which they came
	bytes   int64
	evicted uint64
}

var _ Store = (*Memory)(nil)

// kept is an entry in memory.
type kept struct {
	Entry
	key  string
	over time.Time // when it is forgotten
	in   *list.List
}

// keptBytes is about what an entry costs beside its texts.
const keptBytes = 400

func (k *kept) size() int64 {
	return keptBytes + int64(len(k.key)+len(k.Owner)+len(k.Fingerprint)+len(k.Answer))
}

// NewMemory returns a Memory, or the problems of its Config.
func NewMemory(c MemoryConfig) (*Memory, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Memory{config: c.WithDefaults(), entries: map[string]*list.Element{}}, nil
}

// Claim puts e under the key if it is free, and returns what is there then.
func (m *Memory) Claim(ctx context.Context, key string, e Entry, lease time.Duration) (Entry, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.forget(now)
	if held := m.get(key, now); held != nil {
		return held.Entry, nil
	}
	return e, m.put(&kept{e, key, now.Add(lease), &m.claims})
}

// Complete puts an answer in the place of its claim.
func (m *Memory) Complete(_ context.Context, key string, e Entry, keepFor time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	held := m.get(key, now)
	if held == nil || held.Owner != e.Owner {
		return ErrNotOwner
	}
	k := &kept{e, key, now.Add(keepFor), &m.answers}
	if k.size() > m.config.BytesMax {
		return ErrFull
	}
	m.remove(key)
	err := m.put(k)
	if err != nil {
		_ = m.put(held) // there was room for it
	}
	return err
}

// Release removes a claim.
func (m *Memory) Release(_ context.Context, key, owner string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if held := m.get(key, time.Now()); held != nil && held.Owner == owner {
		m.remove(key)
	}
	return nil
}

// MemoryStatus is what a Memory holds, for people.
type MemoryStatus struct {
	// Claims are being served, Answers are kept.
	Claims, Answers int
	// Bytes is about how much memory they take.
	Bytes int64
	// Evicted counts the answers that went before their time was up.
	Evicted uint64
}

// Status reports what is there. It changes nothing.
func (m *Memory) Status() MemoryStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	return MemoryStatus{Claims: m.claims.Len(), Answers: m.answers.Len(), Bytes: m.bytes, Evicted: m.evicted}
}

// get returns the key's entry unless its time is up, or nil. The caller holds
// mu, as for all below.
func (m *Memory) get(key string, now time.Time) *kept {
	element := m.entries[key]
	if element == nil {
		return nil
	}
	k := element.Value.(*kept)
	if !k.over.After(now) {
		m.remove(key)
		return nil
	}
	return k
}

// put adds an entry for a key that has none, at the cost of old answers.
func (m *Memory) put(k *kept) error {
	for len(m.entries) >= m.config.EntriesMax || m.bytes+k.size() > m.config.BytesMax {
		oldest := m.answers.Front()
		if oldest == nil {
			return ErrFull
		}
		m.remove(oldest.Value.(*kept).key)
		m.evicted++
	}
	m.entries[k.key] = k.in.PushBack(k)
	m.bytes += k.size()
	return nil
}

func (m *Memory) remove(key string) {
	element := m.entries[key]
	delete(m.entries, key)
	k := element.Value.(*kept)
	m.bytes -= k.size()
	k.in.Remove(element)
}

// forget drops the oldest entries whose time is up.
func (m *Memory) forget(now time.Time) {
	for _, l := range []*list.List{&m.claims, &m.answers} {
		for e := l.Front(); e != nil && !e.Value.(*kept).over.After(now); e = l.Front() {
			m.remove(e.Value.(*kept).key)
		}
	}
}
