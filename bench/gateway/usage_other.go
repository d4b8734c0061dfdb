//go:build !linux

package main

import "github.com/afloat-dev/afloat/bench/rig"

// Nothing of this is reached: checkMachine asks for Linux first.

func onCore(int, func() error) error { return rig.ErrLinux }

func memory(int) (int64, error) { return 0, rig.ErrLinux }

func filesMax() (int, error) { return 0, rig.ErrLinux }
