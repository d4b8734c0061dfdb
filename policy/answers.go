package policy

import (
	"hash/maphash"
	"reflect"
	"sync/atomic"
	"time"
)

// answers keeps the last answer to each key, within bounds.
type answers struct {
	kept sieve[*answer]

	bytes   int64                    // guarded by the sieve's mu, as all below
	forgets [forgetSlots]forgetCount // by hash of the key
	seed    maphash.Seed
}

// answer is a result that may be given again.
type answer struct {
	result Result
	bytes  int64
	// fresh is until when it is given without asking the callee, and expired
	// when it went stale: earlier, where a failure of the callee has lent a
	// good answer a little more time.
	fresh, expired time.Duration
	renewing       atomic.Bool // somebody is asking the callee already
}

// forgetCount counts how often keys were forgotten. An answer is not kept when
// its key was forgotten after the callee was asked. Keys share the counts,
// which at worst drops an answer that could have been kept.
type forgetCount uint32

const forgetSlots = 64

func newAnswers() *answers { return &answers{seed: maphash.MakeSeed()} }

// get returns the key's answer, or nil.
func (a *answers) get(key string) *answer {
	found, _ := a.kept.get(key)
	return found
}

// asking is to be called before the callee is asked, and its value given to
// put with the answer.
func (a *answers) asking(key string) forgetCount {
	a.kept.mu.RLock()
	defer a.kept.mu.RUnlock()
	return *a.slot(key)
}

func (a *answers) slot(key string) *forgetCount {
	return &a.forgets[maphash.String(a.seed, key)%forgetSlots]
}

// put keeps an answer, at the cost of others if need be, and returns how many
// those are.
func (a *answers) put(key string, asked forgetCount, new *answer, entriesMax int, bytesMax int64) (evicted int) {
	a.kept.mu.Lock()
	defer a.kept.mu.Unlock()
	if *a.slot(key) != asked {
		return 0
	}
	old := a.kept.entries[key]
	if new.bytes > bytesMax {
		if old != nil {
			a.remove(old)
		}
		return 0
	}
	if old != nil {
		a.bytes += new.bytes - old.value.bytes
		old.value = new
		return a.shrink(entriesMax, bytesMax)
	}
	evicted = a.shrink(entriesMax-1, bytesMax-new.bytes)
	a.bytes += new.bytes
	a.kept.add(key, new)
	return evicted
}

// shrink evicts until no more is kept than that, and returns how many had to
// go. The caller holds the lock.
func (a *answers) shrink(entriesMax int, bytesMax int64) (evicted int) {
	for ; len(a.kept.entries) > entriesMax || a.bytes > bytesMax; evicted++ {
		a.bytes -= a.kept.evict(nil).value.bytes
	}
	return evicted
}

func (a *answers) remove(e *sieveEntry[*answer]) {
	a.kept.remove(e)
	a.bytes -= e.value.bytes
}

// forget drops the key's answer, and the one that the callee may be asked for
// at this moment.
func (a *answers) forget(key string) {
	a.kept.mu.Lock()
	defer a.kept.mu.Unlock()
	*a.slot(key)++
	if e := a.kept.entries[key]; e != nil {
		a.remove(e)
	}
}

// clear forgets all keys.
func (a *answers) clear() {
	a.kept.mu.Lock()
	defer a.kept.mu.Unlock()
	for i := range a.forgets {
		a.forgets[i]++
	}
	a.shrink(0, 0)
}

// size is how many answers are kept, and an estimate of their bytes.
func (a *answers) size() (entries int, bytes int64) {
	a.kept.mu.RLock()
	defer a.kept.mu.RUnlock()
	return len(a.kept.entries), a.bytes
}

// entryBytes is about what keeping an answer costs beside its key and value.
const entryBytes = 256

// bytesOf estimates what it takes to keep a value.
func bytesOf(key string, value any, size func(any) int64) int64 {
	if size == nil {
		size = shallowSize
	}
	// Capped to what no BytesMax allows: a sum must not overflow into one that does.
	return entryBytes + int64(len(key)) + min(max(size(value), 0), bytesLimit)
}

// shallowSize is the size of a value, of what it points to, or of a slice's
// elements, without what those refer to in turn.
func shallowSize(value any) int64 {
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Invalid:
		return 0
	case reflect.String:
		return int64(v.Len())
	case reflect.Slice:
		return int64(v.Cap()) * int64(v.Type().Elem().Size())
	case reflect.Pointer:
		return int64(v.Type().Elem().Size())
	}
	return int64(v.Type().Size())
}
