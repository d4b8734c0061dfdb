//go:build !linux

package rig

import (
	"errors"
	"time"
)

// ErrLinux is why nothing can be read elsewhere.
var ErrLinux = errors.New("needs Linux")

// CPU needs Linux.
func CPU(int) (time.Duration, error) { return 0, ErrLinux }

// Family needs Linux.
func Family(pid int) []int { return []int{pid} }

// Busy needs Linux.
func Busy(int) (busy, total time.Duration, err error) { return 0, 0, ErrLinux }
