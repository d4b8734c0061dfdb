package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/afloat-dev/afloat/internal/config"
	"github.com/afloat-dev/afloat/internal/console"
)

// reloadDelay gathers the events of one change: editors and ConfigMaps write a
// file in several steps.
const reloadDelay = 200 * time.Millisecond

const hangupReason = "SIGHUP"

// watch reads the files again when they change, and on SIGHUP.
func (d *daemon) watch(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		d.log.Warn("files are not watched; send SIGHUP after a change", "error", err)
		watcher = &fsnotify.Watcher{Events: make(chan fsnotify.Event), Errors: make(chan error)}
	} else {
		defer watcher.Close()
		d.watchFolders(watcher)
	}
	settled := time.NewTimer(0) // a first look, for what changed between reading and watching
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.hangup:
			d.reload(hangupReason)
		case e := <-watcher.Events:
			if d.concerns(e.Name) {
				settled.Reset(reloadDelay)
			}
		case err := <-watcher.Errors:
			d.log.Warn("watching the files failed", "error", err)
		case <-settled.C:
			d.reload("a file changed")
		}
	}
}

// watchFolders watches the folders of the files rather than the files, which
// editors replace, and the folders that were named themselves.
func (d *daemon) watchFolders(watcher *fsnotify.Watcher) {
	folders := map[string]bool{}
	for _, f := range d.assembly.Files {
		folders[filepath.Dir(f)] = true
		if info, err := os.Stat(f); err == nil && info.IsDir() {
			folders[f] = true
		}
	}
	for folder := range folders {
		if err := watcher.Add(folder); err != nil {
			d.log.Warn("the folder is not watched; send SIGHUP after a change", "folder", folder, "error", err)
		}
	}
}

// concerns reports whether a path is one of the files, a file in one of the
// folders, or the link by which a ConfigMap's files are switched.
func (d *daemon) concerns(path string) bool {
	path = filepath.Clean(path)
	if filepath.Base(path) == "..data" {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.assembly.Files {
		f = filepath.Clean(f)
		inside := f == filepath.Dir(path) && slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(path))
		if f == path || inside {
			return true
		}
	}
	return false
}

// reload puts the files in force as they are now. With a problem in them
// nothing changes.
func (d *daemon) reload(why string) {
	next, problems := config.Load(d.from.files, d.from.options())
	if err := problems.Err(); err != nil {
		d.refuse(why, err)
		return
	}
	d.mu.Lock()
	old := d.assembly
	d.mu.Unlock()
	changes := next.Diff(old)
	if len(changes) == 0 {
		if why == hangupReason { // somebody waits for an answer
			d.log.Info("nothing has changed", "reason", why)
		}
		return
	}
	if err := next.Runnable(); err != nil {
		d.refuse(why, err)
		return
	}
	if err := d.gateway.Apply(&next.Gateway); err != nil {
		d.refuse(why, err)
		return
	}
	if err := d.supervisor.Apply(next.Processes); err != nil {
		_ = d.gateway.Apply(&old.Gateway) // it was in force a moment ago
		d.refuse(why, err)
		return
	}
	waiting := d.waiting(next)
	d.mu.Lock()
	d.assembly = next
	d.config = console.ConfigStatus{Files: next.Files, AppliedAt: time.Now(), Waiting: waiting}
	d.mu.Unlock()
	d.log.Info("configuration applied", "reason", why, "changes", strings.Join(changes, "; "))
	if len(waiting) > 0 {
		d.log.Warn("some changes wait for a restart", "changes", strings.Join(waiting, "; "))
	}
}

// waiting lists the changes that are taken over only by a restart: those of the
// admin listener and of the logs, which are opened once.
func (d *daemon) waiting(next *config.Assembly) []string {
	return slices.DeleteFunc(next.Diff(d.first), func(change string) bool {
		part, _, _ := strings.Cut(change, ":")
		return part != "admin" && part != "access log" && part != "log"
	})
}

func (d *daemon) refuse(why string, err error) {
	d.log.Error("configuration refused; the old one stays in force", "reason", why, "error", err)
	d.mu.Lock()
	d.config.RefusedAt, d.config.Refused = time.Now(), err.Error()
	d.mu.Unlock()
}
