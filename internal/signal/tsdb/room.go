package tsdb

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// roomMin is what the disk has at least while the store is open, or a tenth of
// a disk that is smaller than ten times that. The database panics where it
// cannot write a chunk, and in goroutines of its own: with it the gateway would
// end.
const roomMin = 64 << 20

// roomEvery is the time between looks at it.
const roomEvery = time.Second

// room returns an error where the disk has less than so many times what it has
// at least.
func (s *Store) room(times uint64) error {
	free, all, err := freeBytes(s.options.Dir)
	if err != nil {
		return nil // what fails otherwise will say so
	}
	if least := times * min(roomMin, all/10); free < least {
		return fmt.Errorf("%d MiB are left on the disk of %s: want %d", free>>20, s.options.Dir, least>>20)
	}
	return nil
}

// sizeBytes is how much the store may take: at most half of the disk, so that
// it does not take the room itself without which it closes.
func (s *Store) sizeBytes() int64 {
	_, all, err := freeBytes(s.options.Dir)
	if err != nil || all == 0 { // some file systems do not know
		return s.options.SizeBytes
	}
	return min(s.options.SizeBytes, int64(all/2))
}

// freeBytes is how much can still be written to the disk on which dir is, and
// how large the disk is.
func freeBytes(dir string) (free, all uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	size := uint64(s.Bsize)
	return s.Bavail * size, s.Blocks * size, nil
}
