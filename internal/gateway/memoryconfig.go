package gateway

import (
	"cmp"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/afloat-dev/afloat/policy"
)

// MemoryConfig says when Afloat refuses requests because it is short of memory,
// before the kernel ends it with all that are under way.
type MemoryConfig struct {
	// Disabled refuses nothing.
	Disabled bool `yaml:"disabled"`
	// LimitBytes is how much memory there is. Default: GOMEMLIMIT, else what the
	// control group may have, else three quarters of the machine's.
	LimitBytes int64 `yaml:"limitBytes"`
	// LowAt is the share of the limit in use from which on requests of low
	// priority are refused. Default 70%.
	LowAt policy.Ratio `yaml:"lowAt"`
	// AllAt is the share from which on all are, but critical ones. Default 85%.
	AllAt policy.Ratio `yaml:"allAt"`
}

// WithDefaults returns the Config with every zero field that has a default set
// to it, but for the limit, which depends on where it runs.
func (c MemoryConfig) WithDefaults() MemoryConfig {
	c.LowAt = cmp.Or(c.LowAt, 0.7)
	c.AllAt = cmp.Or(c.AllAt, max(0.85, c.LowAt))
	return c
}

// memoryMin is the least limit that Afloat can work within.
const memoryMin = 16 << 20

func (v *validator) memory(c *MemoryConfig, path ...string) {
	at := func(field string) []string { return append(slices.Clone(path), field) }
	if c.LimitBytes != 0 && (c.LimitBytes < memoryMin || c.LimitBytes > storeBytesMax) {
		v.add("want a number of bytes from %d to %d, got %d", []any{memoryMin, int64(storeBytesMax), c.LimitBytes}, at("limitBytes")...)
	}
	v.share(c.LowAt, at("lowAt")...)
	v.share(c.AllAt, at("allAt")...)
	if d := c.WithDefaults(); d.AllAt < d.LowAt {
		v.add("want at least lowAt (%v), got %v", []any{d.LowAt, c.AllAt}, at("allAt")...)
	}
}

// limit is how much memory there is; 0 for no limit.
func (c *MemoryConfig) limit() int64 {
	if c.Disabled {
		return 0
	}
	if c.LimitBytes > 0 {
		return c.LimitBytes
	}
	if of := goLimit; of < math.MaxInt64 {
		return of
	}
	return cmp.Or(groupLimit("/"), machineLimit("/"))
}

// goLimit is GOMEMLIMIT as it was at the start.
var goLimit = debug.SetMemoryLimit(-1)

// groupLimit is what the process's control group may have (cgroup v2, or v1's
// memory controller at its usual place), below a root of the file system; 0 for
// no limit.
func groupLimit(root string) int64 {
	for _, name := range []string{"sys/fs/cgroup" + group(root) + "/memory.max", "sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(root + name)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n < storeBytesMax {
			return n
		}
	}
	return 0
}

// machineShare of the memory is Afloat's where nothing says how much is: the
// rest of the machine needs some, and Go's garbage lies beside what is in use.
const machineShare = 0.75

// machineLimit is Afloat's share of the machine's memory, below a root of the
// file system; 0 where that is not to be learnt.
func machineLimit(root string) int64 {
	text, _ := os.ReadFile(root + "proc/meminfo")
	for line := range strings.Lines(string(text)) {
		total, ok := strings.CutPrefix(line, "MemTotal:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(total), "kB")), 10, 64)
		if err != nil || kib <= 0 || kib >= storeBytesMax>>10 {
			return 0
		}
		return max(memoryMin, int64(machineShare*float64(kib<<10)))
	}
	return 0
}

// group is the control group of the process, as a path from the root of v2.
func group(root string) string {
	text, _ := os.ReadFile(root + "proc/self/cgroup") // without it, the one that is seen as the root
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return strings.TrimSuffix(path, "/")
		}
	}
	return ""
}
