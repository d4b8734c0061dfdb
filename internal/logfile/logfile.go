// Package logfile appends to a file that is replaced by a new one when it
// gets too long.
package logfile

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"time"
)

// Config says how long a file gets, and what becomes of it then.
type Config struct {
	// Path of the file. Where it is no regular file, such as a pipe or a link
	// to /dev/stdout, it is written to and never replaced.
	Path string
	// SizeMax is how many bytes the file has at most; more only where a single
	// write has more.
	SizeMax int64
	// FilesMax is how many files there are at most, from 1: Path itself, and
	// Path.1, the newest of those before it, to Path.N.
	FilesMax int
	// AgeMax is how long those before it are kept, looked at once a minute
	// while there is something to write. Zero: as long as FilesMax allows.
	AgeMax time.Duration
	// Stuck is told why the file could not be replaced, which then goes on
	// growing. That is tried again every 5 s, and told again only once it has
	// worked. Default: nobody is told.
	Stuck func(error)
}

// FilesLimit is what FilesMax may be at most: each is renamed when the file is
// replaced.
const FilesLimit = 1000

// File is such a file. When something else renames or removes it, the next
// write that comes a second later makes a new one, so that logrotate needs no
// signal. It may be used by many goroutines.
type File struct {
	mu      sync.Mutex // guards what follows
	config  Config
	file    *os.File
	regular bool      // and so counted, looked after and replaced
	size    int64     // of a regular file
	torn    bool      // its last line has no end
	looked  time.Time // when it was last looked at, or tried to be opened
	failed  error     // why it cannot be opened
	stuck   time.Time // when it could not be replaced; zero where it could
	swept   time.Time // when old files were last looked for
}

const (
	retryAfter = 5 * time.Second // between tries to open or to replace a file that failed
	lookAfter  = time.Second     // between looks at whether it is still there
	sweepAfter = time.Minute     // between looks for files that are too old
)

// New returns a file that the first write opens.
func New(c Config) *File { return &File{config: c} }

// SetConfig changes all but the path, which is what the file is known by.
func (f *File) SetConfig(c Config) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.Path = f.config.Path
	f.config = c
}

// Open opens the file, for those who would know early that it cannot be.
func (f *File) Open() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ready(time.Now(), 0)
}

// Write appends whole lines. What is behind an error may be lost; the next
// write begins on a line of its own.
func (f *File) Write(lines []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ready(time.Now(), int64(len(lines))); err != nil {
		return 0, err
	}
	if f.torn {
		if _, err := f.file.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
		f.torn = false
		f.size++
	}
	n, err := f.file.Write(lines)
	f.size += int64(n)
	f.torn = n > 0 && lines[n-1] != '\n'
	return n, err
}

// Close closes the file. A write opens it again.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.close()
}

func (f *File) close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file, f.torn = nil, false
	return err
}

// ready opens the file, or replaces it where n bytes more would be too many.
func (f *File) ready(now time.Time, n int64) error {
	if now.Sub(f.looked) >= lookAfter || f.tooLong(n) {
		f.look(now) // another program may have replaced it
	}
	if err := f.open(now); err != nil {
		return err
	}
	if f.tooLong(n) && now.Sub(f.stuck) >= retryAfter {
		err := f.rotate()
		if err != nil && f.stuck.IsZero() && f.config.Stuck != nil {
			f.config.Stuck(err)
		}
		f.stuck = time.Time{}
		if err != nil {
			f.stuck = now
		}
	}
	if f.regular && now.Sub(f.swept) >= sweepAfter {
		f.swept = now
		f.sweep(now)
	}
	return f.open(now)
}

// tooLong tells whether n bytes more are too many.
func (f *File) tooLong(n int64) bool {
	return f.file != nil && f.regular && f.size > 0 && f.size+n > f.config.SizeMax
}

// look closes a file that is no longer at its path, and learns how long it is
// when something else writes to it or has shortened it.
func (f *File) look(now time.Time) {
	if f.file == nil || !f.regular {
		return
	}
	f.looked = now
	there, err := os.Lstat(f.config.Path)
	own, ownErr := f.file.Stat()
	switch {
	case ownErr != nil: // the write will say it
	case errors.Is(err, fs.ErrNotExist), err == nil && !os.SameFile(there, own):
		_ = f.close() // every write has been checked
	default:
		f.size = own.Size()
		f.torn = f.torn && f.size > 0
	}
}

// open opens the file unless it is open, or could not be a moment ago.
func (f *File) open(now time.Time) error {
	if f.file != nil {
		return nil
	}
	if f.failed != nil && now.Sub(f.looked) < retryAfter {
		return f.failed
	}
	f.looked = now
	f.failed = f.openNow()
	return f.failed
}

func (f *File) openNow() error {
	file, err := os.OpenFile(f.config.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.file, f.regular, f.size = file, info.Mode().IsRegular(), info.Size()
	if link, err := os.Lstat(f.config.Path); err == nil && !os.SameFile(link, info) {
		f.regular = link.Mode().IsRegular() // what another has made meanwhile is seen by the next look
	}
	f.torn = f.regular && f.size > 0 && !endsLine(f.config.Path, f.size)
	return nil
}

// endsLine reports whether a file of a size ends with a line feed, as far as it
// can be read.
func endsLine(path string, size int64) bool {
	f, err := os.Open(path)
	if err != nil {
		return true
	}
	defer f.Close() // it was only read
	last := []byte{'\n'}
	_, err = f.ReadAt(last, size-1)
	return err != nil || last[0] == '\n'
}

// rotate makes the file Path.1, Path.1 Path.2 and so on; the last is removed.
func (f *File) rotate() error {
	kept := f.config.FilesMax - 1
	if kept == 0 {
		if err := f.file.Truncate(0); err != nil {
			return err
		}
		f.size, f.torn = 0, false
		return nil
	}
	// It goes first, so that those before it stay where it cannot go.
	if err := os.Rename(f.config.Path, f.numbered(0)); err != nil {
		return err
	}
	_ = f.close() // every write has been checked
	for n := kept; n > 0; n-- {
		_ = os.Rename(f.numbered(n-1), f.numbered(n)) // there may be none
	}
	return nil
}

// sweep removes the files that are too old.
func (f *File) sweep(now time.Time) {
	if f.config.AgeMax == 0 {
		return
	}
	for n := 1; n < f.config.FilesMax; n++ {
		info, err := os.Stat(f.numbered(n))
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err == nil && now.Sub(info.ModTime()) > f.config.AgeMax {
			_ = os.Remove(f.numbered(n)) // the next sweep tries again
		}
	}
}

func (f *File) numbered(n int) string { return f.config.Path + "." + strconv.Itoa(n) }
