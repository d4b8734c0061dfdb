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
	"github.com/afloat-dev/afloat/internal/journal"
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
	for _, f := range d.assembly.Watched() {
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
	for _, f := range d.assembly.Watched() {
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
		d.mu.Lock()
		d.config.RefusedAt, d.config.Refused = time.Time{}, "" // what was refused lies there no more
		d.config.Warnings = next.Warnings
		d.mu.Unlock()
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
	if err := d.releases.Apply(next.Processes, next.Releases); err != nil {
		_ = d.gateway.Apply(&old.Gateway) // it was in force a moment ago
		d.refuse(why, err)
		return
	}
	if err := d.applyAlerts(next.Alerts); err != nil {
		_ = d.gateway.Apply(&old.Gateway)
		_ = d.releases.Apply(old.Processes, old.Releases)
		d.refuse(why, err)
		return
	}
	_ = d.scaling.Set(next.Scaling) // it has been validated
	waiting := d.waiting(next)
	d.mu.Lock()
	d.assembly = next
	d.config = console.ConfigStatus{Files: next.Files, AppliedAt: time.Now(), Waiting: waiting, Warnings: next.Warnings}
	d.mu.Unlock()
	d.log.Info("configuration applied", "reason", why, "changes", strings.Join(changes, "; "))
	d.journal.Post(journal.Entry{Kind: journal.KindConfigApplied, Who: why, What: "configuration applied", Why: strings.Join(changes, "; ")})
	if len(waiting) > 0 {
		d.log.Warn("some changes wait for a restart", "changes", strings.Join(waiting, "; "))
	}
}

// openedOnce are the parts of which only a restart takes over changes.
var openedOnce = []string{
	"access log",
	"admin",
	"data",
	"log",
	"metrics",
	"supervisor",
	"tracing",
}

// waiting lists the changes that are taken over only by a restart.
func (d *daemon) waiting(next *config.Assembly) []string {
	return slices.DeleteFunc(next.Diff(d.first), func(change string) bool {
		part, _, _ := strings.Cut(change, ":")
		return !slices.Contains(openedOnce, part)
	})
}

func (d *daemon) refuse(why string, err error) {
	d.log.Error("configuration refused; the old one stays in force", "reason", why, "error", err)
	d.mu.Lock()
	again := d.config.Refused == err.Error()
	d.config.RefusedAt, d.config.Refused = time.Now(), err.Error()
	d.mu.Unlock()
	if !again {
		d.journal.Post(journal.Entry{Kind: journal.KindConfigRefused, Level: journal.LevelBad, Who: why, What: "configuration refused", Why: err.Error()})
	}
}
