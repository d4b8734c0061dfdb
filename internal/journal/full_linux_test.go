package journal_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/journal"
)

// TestFullDiskKeepsEntriesInMemory fills a disk of 256 KiB and makes room again.
func TestFullDiskKeepsEntriesInMemory(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("no file system of its own: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	var said strings.Builder
	j := open(t, journal.Options{Dir: dir, Log: slog.New(slog.NewTextHandler(&said, nil))})
	add(t, j, journal.Entry{Kind: journal.KindAlertFired})
	filler := filepath.Join(dir, "filler")
	_ = os.WriteFile(filler, make([]byte, 512<<10), 0o600) // as much as there is room for

	heard := j.Subscribe(t.Context())
	long := strings.Repeat("x", 4000) // the page that is begun has room for a little
	for range 20 {
		if e, err := j.Append(journal.Entry{Kind: journal.KindAlertResolved, Why: long}); err != nil && !errors.Is(err, journal.ErrUnwritten) {
			t.Fatalf("got %+v, %v", e.ID, err)
		}
	}
	if _, err := j.Append(journal.Entry{Kind: journal.KindAlertResolved, Why: long}); !errors.Is(err, journal.ErrUnwritten) {
		t.Fatalf("got %v on a full disk", err)
	}
	for want := uint64(2); want <= 22; want++ {
		if e := <-heard; e.ID != want {
			t.Fatalf("heard of %d, want %d", e.ID, want)
		}
	}
	before := read(t, j, journal.Query{})
	if j.Unwritten() == 0 {
		t.Error("none is in memory alone")
	}
	if len(before) != 22 || j.Last() != 22 {
		t.Errorf("got %d entries, the last is %d", len(before), j.Last())
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if e := add(t, j, journal.Entry{Kind: journal.KindEndpoint}); e.ID != 23 {
		t.Errorf("got %d", e.ID)
	}
	if n := j.Unwritten(); n != 0 {
		t.Errorf("%d are still in memory alone", n)
	}
	again := open(t, journal.Options{Dir: dir})
	if diff := cmp.Diff(before, read(t, again, journal.Query{})[:22]); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]int{"cannot be written": 1, "can be written again": 1} {
		if n := strings.Count(said.String(), text); n != want {
			t.Errorf("%q was said %d times, want %d:\n%s", text, n, want, &said)
		}
	}
}
