package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const suffix = ".jsonl"

// files are the files of one kind, of which the last one grows.
type files struct {
	dir, prefix string
	bytesMax    int64
	filesMax    int

	mu     sync.Mutex // guards what follows
	firsts []uint64   // the IDs that the files are named for, oldest first
	grows  *os.File   // nil until something is written
	size   int64
	dirty  bool // written since the last sync
}

func (f *files) path(first uint64) string {
	return filepath.Join(f.dir, fmt.Sprintf("%s%020d%s", f.prefix, first, suffix))
}

// open finds the files in the folder and where the last one ends, and returns
// the ID of the last entry; 0 without any.
func (f *files) open() (uint64, error) {
	names, err := os.ReadDir(f.dir)
	if err != nil {
		return 0, err
	}
	for _, n := range names {
		text, ours := strings.CutPrefix(n.Name(), f.prefix)
		text, ok := strings.CutSuffix(text, suffix)
		if first, err := strconv.ParseUint(text, 10, 64); ours && ok && err == nil {
			f.firsts = append(f.firsts, first)
		}
	}
	slices.Sort(f.firsts)
	if len(f.firsts) == 0 {
		return 0, nil
	}
	last := f.firsts[len(f.firsts)-1]
	f.grows, err = os.OpenFile(f.path(last), os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return 0, err
	}
	id, err := f.mend(last - 1)
	if err != nil {
		return 0, errors.Join(err, f.grows.Close())
	}
	return id, nil
}

// mend finds the last whole line of the file that grows, cuts off what stands
// behind it, and returns the last ID; before, where there is none.
func (f *files) mend(before uint64) (last uint64, err error) {
	text, err := io.ReadAll(f.grows) // it has a limit
	if err != nil {
		return 0, err
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	f.size = int64(whole)
	last = before
	for end := whole; end > 0; {
		start := bytes.LastIndexByte(text[:end-1], '\n') + 1
		var e Entry
		if json.Unmarshal(text[start:end], &e) == nil {
			last = max(last, e.ID)
			break
		}
		end = start
	}
	return last, f.grows.Truncate(f.size)
}

// begin makes a new file that grows from now on. The caller holds mu.
func (f *files) begin(first uint64) error {
	next, err := os.OpenFile(f.path(first), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if f.grows != nil {
		err = errors.Join(f.grows.Sync(), f.grows.Close())
	}
	f.grows, f.size, f.dirty = next, 0, false
	f.firsts = append(f.firsts, first)
	for len(f.firsts) > f.filesMax {
		if remove := os.Remove(f.path(f.firsts[0])); remove != nil && !errors.Is(remove, fs.ErrNotExist) {
			return errors.Join(err, remove)
		}
		f.firsts = f.firsts[1:]
	}
	return err
}

// append writes a line by one call of the system, so that it stands whole in
// the file, or is torn at its end and nowhere else.
func (f *files) append(id uint64, line []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.grows == nil || f.size > 0 && f.size+int64(len(line)) > f.bytesMax {
		if err := f.begin(id); err != nil {
			return err
		}
	}
	n, err := f.grows.Write(line)
	f.dirty = true
	if err != nil && n > 0 { // such as on a full disk: no half line may stand before the next one
		err = errors.Join(err, f.grows.Truncate(f.size))
		n = 0
	}
	f.size += int64(n)
	return err
}

func (f *files) sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.dirty {
		return nil
	}
	f.dirty = false
	return f.grows.Sync()
}

func (f *files) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.grows == nil {
		return nil
	}
	return errors.Join(f.grows.Sync(), f.grows.Close())
}
