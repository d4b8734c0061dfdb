package supervise

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// logFile is a file to which the output of a service's replicas is appended, and which is replaced by a new one when it
// gets too long. Those before it are path.1, the newest, to path.N.
type logFile struct {
	config LogConfig // with defaults
	path   string

	mu      sync.Mutex
	file    *os.File
	size    Bytes
	tried   time.Time // the last failure to open it
	swept   time.Time // when old files were last looked for
	dropped int       // lines that could not be written
}

const (
	logRetry = 5 * time.Second // between tries to open a file that cannot be written
	logSweep = time.Minute     // between looks for files that are too old
)

func newLogFile(c LogConfig, dir string) *logFile {
	path := c.Path
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return &logFile{config: c, path: path}
}

// write appends a line. What cannot be written is dropped and counted: a replica must not hang because a disk is full.
func (l *logFile) write(line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if err := l.ready(now, Bytes(len(line))); err != nil {
		l.dropped++
		return
	}
	n, err := l.file.Write(line)
	l.size += Bytes(n)
	if err != nil {
		l.dropped++
	}
}

// ready opens the file, or replaces it where n bytes more would be too many.
func (l *logFile) ready(now time.Time, n Bytes) error {
	if l.file == nil {
		if now.Sub(l.tried) < logRetry {
			return errors.New("it could not be opened a moment ago")
		}
		if err := l.open(); err != nil {
			l.tried = now
			return err
		}
	}
	if l.size > 0 && l.size+n > l.config.SizeMax {
		l.rotate()
	}
	if now.Sub(l.swept) >= logSweep {
		l.swept = now
		l.sweep(now)
	}
	if l.file == nil {
		return l.open()
	}
	return nil
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	l.file, l.size = f, Bytes(info.Size())
	if l.dropped > 0 {
		text, _ := fmt.Fprintf(f, "afloat: %d lines could not be written before this one\n", l.dropped)
		l.size, l.dropped = l.size+Bytes(text), 0
	}
	return nil
}

// rotate makes the file path.1, path.1 path.2 and so on; the last is removed. Where that fails, it goes on growing.
func (l *logFile) rotate() {
	kept := l.config.FilesMax - 1
	if kept == 0 {
		if l.file.Truncate(0) == nil {
			l.size = 0
		}
		return
	}
	for n := kept; n > 1; n-- {
		_ = os.Rename(l.numbered(n-1), l.numbered(n)) // there may be none
	}
	if os.Rename(l.path, l.numbered(1)) == nil {
		l.file.Close()
		l.file = nil
	}
}

// sweep removes the files that are too old.
func (l *logFile) sweep(now time.Time) {
	if l.config.AgeMax == 0 {
		return
	}
	for n := 1; n < l.config.FilesMax; n++ {
		info, err := os.Stat(l.numbered(n))
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err == nil && now.Sub(info.ModTime()) > l.config.AgeMax {
			_ = os.Remove(l.numbered(n)) // the next sweep tries again
		}
	}
}

func (l *logFile) numbered(n int) string { return l.path + "." + strconv.Itoa(n) }

func (l *logFile) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Close()
		l.file = nil
	}
}

// logFiles are those in use, by path: replicas of a service share one.
type logFiles struct {
	mu    sync.Mutex
	files map[string]*sharedLog
}

type sharedLog struct {
	*logFile
	users int
}

// use returns the file of a service and what to do when it is no longer written to; nil where there is none.
func (f *logFiles) use(c Config) (*logFile, func()) {
	if c.Log == nil {
		return nil, func() {}
	}
	fresh := newLogFile(*c.Log, c.Dir)
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.files[fresh.path]
	if l == nil {
		l = &sharedLog{logFile: fresh}
		f.files[fresh.path] = l
	} else {
		l.mu.Lock()
		l.config = fresh.config
		l.mu.Unlock()
	}
	l.users++
	return l.logFile, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(f.files, fresh.path)
			l.close()
		}
	}
}
