package policy

import "time"

// epoch is where the monotonic clock of this package starts. Reading the time
// since it costs about half of time.Now, and a wall clock that is set back
// does not touch it. It lies far enough in the past that no reading is zero or
// less, not even under testing/synctest, whose time begins in the year 2000.
var epoch = time.Now().Add(-50 * 365 * 24 * time.Hour)

// now is the monotonic time since epoch. Policies read it once per edge.
func now() time.Duration { return time.Since(epoch) }
