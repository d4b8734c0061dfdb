package supervise

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/afloat-dev/afloat/internal/logfile"
)

// file is the file that is meant, for a service in dir.
func (c *LogConfig) file(dir string) logfile.Config {
	path := c.Path
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return logfile.Config{Path: path, SizeMax: int64(c.SizeMax), FilesMax: c.FilesMax, AgeMax: c.AgeMax}
}

// logFiles are those in use, by path: replicas of a service share one.
type logFiles struct {
	logger *slog.Logger

	mu    sync.Mutex
	files map[string]*sharedLog
}

// sharedLog is a file to which the output of a service's replicas is appended.
type sharedLog struct {
	file  *logfile.File
	users int

	mu      sync.Mutex
	dropped int // lines that could not be written
}

// write appends a line. What cannot be written is dropped and counted: a replica must not hang because a disk is full.
func (l *sharedLog) write(line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dropped > 0 {
		notice := fmt.Sprintf("afloat: %d lines could not be written before this one\n", l.dropped)
		line = append([]byte(notice), line...)
	}
	if _, err := l.file.Write(line); err != nil {
		l.dropped++
		return
	}
	l.dropped = 0
}

// use returns the file of a service and what to do when it is no longer written to; nil where there is none.
func (f *logFiles) use(c Config) (*sharedLog, func()) {
	if c.Log == nil {
		return nil, func() {}
	}
	wanted := c.Log.file(c.Dir)
	wanted.Stuck = func(err error) {
		f.logger.Warn("a log of replicas cannot be replaced, and grows", "service", c.Name, "error", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.files[wanted.Path]
	if l == nil {
		l = &sharedLog{file: logfile.New(wanted)}
		f.files[wanted.Path] = l
	} else {
		l.file.SetConfig(wanted)
	}
	l.users++
	return l, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(f.files, wanted.Path)
			_ = l.file.Close() // every write has been checked
		}
	}
}
