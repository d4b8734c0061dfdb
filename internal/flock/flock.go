// Package flock locks files among processes, by flock(2). A lock ends with its
// process, however that ends.
package flock

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrHeld tells that another process, or another part of this one, has the
// lock.
var ErrHeld = errors.New("it is locked by another")

// Try locks the file at path, which it makes where it is missing. Closing the
// file gives the lock back; the file is to stay, since a lock on one that was
// removed keeps nobody out.
func Try(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		err = lock(f, path)
		if err == nil {
			return f, nil
		}
		_ = f.Close() // nothing was written
		if !errors.Is(err, errRemoved) {
			return nil, &os.PathError{Op: "lock", Path: path, Err: err}
		}
	}
}

// errRemoved tells that somebody has removed the file all the same.
var errRemoved = errors.New("it was removed")

func lock(f *os.File, path string) error {
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return ErrHeld
	case err != nil:
		return err
	case !isAt(f, path):
		return errRemoved
	}
	return nil
}

// isAt reports whether a file is the one that is at path now.
func isAt(f *os.File, path string) bool {
	there, err := os.Stat(path)
	own, ownErr := f.Stat()
	return err == nil && ownErr == nil && os.SameFile(there, own)
}

// pause is the time between looks whether a lock is free again.
const pause = 20 * time.Millisecond

// Wait is as [Try], but waits for the lock until ctx ends.
func Wait(ctx context.Context, path string) (*os.File, error) {
	for {
		f, err := Try(path)
		if !errors.Is(err, ErrHeld) {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
}
