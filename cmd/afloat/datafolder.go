package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/flock"
	"github.com/afloat-dev/afloat/internal/handover"
)

// dataDefault is where what must outlive Afloat lies, unless the file says
// otherwise: below the folder in which it was started.
const dataDefault = "afloat-data"

// dataFolder is a folder that this process alone uses.
type dataFolder struct {
	path string
	lock *os.File
	// passing is whether the folder goes with the process.
	passing bool
}

// lockWait is how long the folder is waited for: an Afloat that is killed and
// started again may come before the end of the one before it.
const lockWait = 2 * time.Second

// openDataFolder makes the folder where it is missing, for this user alone, and
// locks it. The lock ends with the process, however that ends.
func openDataFolder(path string) (*dataFolder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockWait)
	defer cancel()
	lock, err := flock.Wait(ctx, filepath.Join(path, "lock"))
	switch {
	case errors.Is(err, flock.ErrHeld):
		return nil, fmt.Errorf("another Afloat%s uses %s", lockHolder(path), path)
	case err != nil:
		return nil, err
	}
	f := &dataFolder{path: path, lock: lock}
	f.sign()
	return f, nil
}

// dataKey is the folder's among what one Afloat leaves to the next.
const dataKey = "data folder"

// inheritDataFolder goes on with the folder and the lock of an earlier Afloat.
func inheritDataFolder(e handover.Entry) (*dataFolder, error) {
	f := new(dataFolder)
	if err := json.Unmarshal(e.Value, &f.path); err != nil || len(e.Files) != 1 {
		handover.CloseFiles(e.Files)
		return nil, fmt.Errorf("take over the data folder: %d files, %w", len(e.Files), err)
	}
	f.lock = e.Files[0]
	f.sign()
	return f, nil
}

// sign writes into the lock whose it is, for those who find it taken. They find
// nobody's name in it where the disk is full.
func (f *dataFolder) sign() {
	if f.lock.Truncate(0) == nil {
		_, _ = f.lock.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	}
}

// lockHolder names the process that holds the lock, if it can be known.
func lockHolder(path string) string {
	pid, err := os.ReadFile(filepath.Join(path, "lock"))
	if err != nil || len(pid) == 0 {
		return ""
	}
	return " (process " + strings.TrimSpace(string(pid)) + ")"
}

// openPassingFolder makes a folder that goes with the process.
func openPassingFolder() (*dataFolder, error) {
	path, err := os.MkdirTemp("", "afloat-data-")
	return &dataFolder{path: path, passing: true}, err
}

func (f *dataFolder) close() {
	if f.passing {
		_ = os.RemoveAll(f.path) // in the folder of temporary files
		return
	}
	_ = f.lock.Close() // it has no content of worth
}

// openData opens the folder that the file names, or else the default. Where the
// default cannot be used, Afloat serves all the same and keeps nothing.
func (d *daemon) openData() error {
	folder := d.assembly.Data
	var err error
	if e, ok := d.in.Take(dataKey); ok {
		d.data, err = inheritDataFolder(e)
		return err
	}
	if folder != "" {
		if d.data, err = openDataFolder(folder); err != nil {
			return fmt.Errorf("data: %w; name another folder", err)
		}
		return nil
	}
	if d.data, err = openDataFolder(dataDefault); err == nil {
		return nil
	}
	d.log.Warn("nothing will outlive this process; name a folder with data: FOLDER", "error", err)
	if d.data, err = openPassingFolder(); err != nil {
		return fmt.Errorf("a folder for data: %w", err)
	}
	return nil
}
