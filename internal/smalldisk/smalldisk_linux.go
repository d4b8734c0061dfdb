// Package smalldisk is for tests of what happens on a full disk: it has a small
// one, which a test can fill.
package smalldisk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Disk is a file system of a test's own, in memory, until the test ends.
type Disk struct {
	Dir   string
	bytes int
}

// New makes a Disk of so many bytes, or skips the test where it has not the
// right to.
func New(t *testing.T, bytes int) *Disk {
	t.Helper()
	d := &Disk{t.TempDir(), bytes}
	err := syscall.Mount("tmpfs", d.Dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes))
	if errors.Is(err, syscall.EPERM) {
		t.Skipf("no file system of its own: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.Dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return d
}

// Fill takes all the room that there is left.
func (d *Disk) Fill(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(d.filler(), make([]byte, 2*d.bytes), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
}

// MakeRoom gives back what Fill has taken.
func (d *Disk) MakeRoom(t *testing.T) {
	t.Helper()
	if err := os.Remove(d.filler()); err != nil {
		t.Fatal(err)
	}
}

func (d *Disk) filler() string { return filepath.Join(d.Dir, "filler") }
