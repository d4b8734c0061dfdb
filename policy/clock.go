package policy

import "time"

// epoch is where the monotonic clock of this package starts. Reading the time
// since it costs about half of time.Now, and a wall clock that is set back
// does not touch it.
var epoch = time.Now()

// now is the monotonic time since epoch. Policies read it once per edge.
func now() time.Duration { return time.Since(epoch) }
