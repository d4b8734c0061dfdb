//go:build !linux

package main

import (
	"errors"
	"time"
)

// Nothing of this is reached: checkMachine asks for Linux first.
var errLinux = errors.New("needs Linux")

func onCore(int, func() error) error { return errLinux }

func cpu(int) (time.Duration, error) { return 0, errLinux }

func memory(int) (int64, error) { return 0, errLinux }

func family(pid int) []int { return []int{pid} }

func coreTime(int) (busy, total time.Duration, err error) { return 0, 0, errLinux }

func filesMax() (int, error) { return 0, errLinux }
