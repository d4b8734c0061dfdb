package alert

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// snapshot is a file that holds a state as it is after each change.
type snapshot struct {
	path string
	take func(io.Writer) (int64, error)

	mu      sync.Mutex // held while writing
	wanted  uint64     // guarded by counts
	written uint64
	counts  sync.Mutex
}

// save writes the state. When it returns nil, the disk has all that had changed
// before the call; those who call at the same time share one write.
func (s *snapshot) save() error {
	if s.path == "" {
		return nil
	}
	s.counts.Lock()
	s.wanted++
	mine := s.wanted
	s.counts.Unlock()

	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Lock()
	done, all := s.written, s.wanted
	s.counts.Unlock()
	if done >= mine {
		return nil // another one's write began after this call
	}
	if err := replace(s.path, s.take); err != nil {
		return err
	}
	s.counts.Lock()
	s.written = all
	s.counts.Unlock()
	return nil
}

// replace writes a file anew, so that it is there whole, old or new, whenever
// the process or the machine ends.
func replace(path string, write func(io.Writer) (int64, error)) error {
	next, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = write(next)
	if err == nil {
		err = next.Sync()
	}
	err = errors.Join(err, next.Close())
	if err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder brings the names in a folder to the disk.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
