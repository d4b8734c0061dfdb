package journal_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/journal"
	"github.com/afloat-dev/afloat/internal/smalldisk"
)

// TestFullDiskKeepsEntriesInMemory fills a disk of 256 KiB and makes room again.
func TestFullDiskKeepsEntriesInMemory(t *testing.T) {
	disk := smalldisk.New(t, 256<<10)
	var said strings.Builder
	j := open(t, journal.Options{Dir: disk.Dir, Log: slog.New(slog.NewTextHandler(&said, nil))})
	add(t, j, journal.Entry{Kind: journal.KindAlertFired})
	disk.Fill(t)

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

	disk.MakeRoom(t)
	if e := add(t, j, journal.Entry{Kind: journal.KindEndpoint}); e.ID != 23 {
		t.Errorf("got %d", e.ID)
	}
	if n := j.Unwritten(); n != 0 {
		t.Errorf("%d are still in memory alone", n)
	}
	again := open(t, journal.Options{Dir: disk.Dir})
	if diff := cmp.Diff(before, read(t, again, journal.Query{})[:22]); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]int{"cannot be written": 1, "can be written again": 1} {
		if n := strings.Count(said.String(), text); n != want {
			t.Errorf("%q was said %d times, want %d:\n%s", text, n, want, &said)
		}
	}
}
