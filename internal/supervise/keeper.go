package supervise

import "io"

// RunKeeper is the main function of the keeper process: give it the process's standard input. It returns when the
// supervisor has ended and nothing that it ran is left, or an error when something could not be ended.
func RunKeeper(stdin io.Reader) error { _, err := io.Copy(io.Discard, stdin); return err }

const markerName = "AFLOAT_REPLICA"
