//go:build race

package policyhttp

// raceEnabled: the race detector makes sync.Pool drop items at random.
const raceEnabled = true
