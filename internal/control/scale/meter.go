package scale

import "time"

// Spent is what a replica's processes have used since they began.
type Spent struct {
	// ID is the replica's, and Started when its process began: another process
	// begins to count anew.
	ID      int
	Started time.Time
	// CPU is the time that they had a processor, Memory the bytes that they hold.
	CPU    time.Duration
	Memory float64
}

// Meter makes what is used of what was spent, from one look to the next. The
// zero value has not looked yet.
type Meter struct {
	last  map[int]Spent
	since time.Time
}

// Read returns what each replica has used since the look before, by ID. One that
// was not there then is missing.
func (m *Meter) Read(now time.Time, spent []Spent) map[int]*Usage {
	used, seen := map[int]*Usage{}, map[int]Spent{}
	over := now.Sub(m.since)
	for _, s := range spent {
		seen[s.ID] = s
		before, known := m.last[s.ID]
		if !known || !before.Started.Equal(s.Started) || over <= 0 {
			continue
		}
		// Processes that have ended without being waited for are lost to the sum.
		cpu := max(s.CPU-before.CPU, 0)
		used[s.ID] = &Usage{CPU: cpu.Seconds() / over.Seconds(), Memory: s.Memory, At: now, Over: over}
	}
	m.last, m.since = seen, now
	return used
}
