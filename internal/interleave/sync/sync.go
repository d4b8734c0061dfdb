// Package sync stands in for the standard library's sync while schedules are
// explored: locking and unlocking are steps. It has what the explored packages
// use; what hides no race of theirs is the standard library's own.
package sync

import (
	"sync"

	"github.com/afloat-dev/afloat/internal/interleave"
)

// Locker, Once, Pool, Map and WaitGroup are the standard library's.
type (
	Locker    = sync.Locker
	Once      = sync.Once
	Pool      = sync.Pool
	Map       = sync.Map
	WaitGroup = sync.WaitGroup
)

// Mutex stands in for sync.Mutex.
type Mutex struct{ held bool }

func (m *Mutex) Lock() {
	interleave.Await("lock", func() bool { return !m.held })
	if m.held {
		panic("a mutex that is held is locked outside of tasks")
	}
	m.held = true
}

func (m *Mutex) TryLock() bool {
	interleave.Step("trylock")
	taken := !m.held
	m.held = true
	return taken
}

func (m *Mutex) Unlock() {
	interleave.Step("unlock")
	if !m.held {
		panic("a mutex that nobody holds is unlocked")
	}
	m.held = false
}

// RWMutex stands in for sync.RWMutex.
type RWMutex struct {
	readers int
	held    bool
}

func (m *RWMutex) Lock() {
	interleave.Await("lock", func() bool { return !m.held && m.readers == 0 })
	m.held = true
}

func (m *RWMutex) Unlock() { interleave.Step("unlock"); m.held = false }

func (m *RWMutex) RLock() {
	interleave.Await("rlock", func() bool { return !m.held })
	m.readers++
}

func (m *RWMutex) RUnlock() { interleave.Step("runlock"); m.readers-- }
