package supervise

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what a replica's processes have used.
type Usage struct {
	Replica int
	Started time.Time // its process
	// CPU is the time that all of its processes had a processor since then, those that have ended included where
	// another of the replica has waited for them.
	CPU time.Duration
	// Memory is what they hold, in bytes: their proportional set size, in which what is shared is shared out; their
	// resident set size where the kernel does not tell it.
	Memory int64
}

// Usage reads what the replicas of a service have used from /proc. Those without a process are left out.
func (s *Supervisor) Usage(name string) ([]Usage, error) {
	s.mu.Lock()
	var out []Usage
	var families []family
	if svc := s.services[name]; svc != nil {
		for _, r := range svc.replicas {
			if r.machine.pid != 0 && r.life != nil {
				out = append(out, Usage{Replica: r.id, Started: r.machine.startedAt})
				families = append(families, family{marker: r.life.marker, leaders: map[int]bool{r.machine.pid: true}})
			}
		}
	}
	s.mu.Unlock()
	if len(out) == 0 {
		return nil, nil
	}
	table, err := s.runner.census.look()
	if err != nil {
		return nil, fmt.Errorf("read what %s uses: %w", name, err)
	}
	for i := range out {
		for _, p := range families[i].members(table) {
			out[i].CPU += p.cpu
			out[i].Memory += memoryOf(p.pid)
		}
	}
	return out, nil
}

// tick is the unit of times in /proc: USER_HZ, which is 100 wherever Linux is.
const tick = time.Second / 100

// memoryOf returns the bytes that a process holds; 0 where it has ended.
func memoryOf(pid int) int64 {
	folder := "/proc/" + strconv.Itoa(pid)
	if text, err := os.ReadFile(folder + "/smaps_rollup"); err == nil {
		for line := range bytes.Lines(text) {
			if rest, ok := bytes.CutPrefix(line, []byte("Pss:")); ok {
				n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(string(rest)), "kB")), 10, 64)
				return n << 10
			}
		}
	}
	text, err := os.ReadFile(folder + "/statm")
	if fields := strings.Fields(string(text)); err == nil && len(fields) > 1 {
		pages, _ := strconv.ParseInt(fields[1], 10, 64)
		return pages * int64(os.Getpagesize())
	}
	return 0
}
