//go:build race

package http1

// raceEnabled says that pools drop blocks at random, so that allocations cannot
// be counted.
const raceEnabled = true
