//go:build unix && !linux

package http1

func peerFinished(int) bool { return false }
