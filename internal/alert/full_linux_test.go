package alert_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/afloat-dev/afloat/internal/journal"
)

// TestPeopleAreToldWhileTheDiskIsFull fills the disk below Afloat, and makes room
// again.
func TestPeopleAreToldWhileTheDiskIsFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no file system of its own: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	hook := newSink(t)
	r := newRig(t, dir, quick(hook.URL))
	filler := filepath.Join(dir, "filler")
	_ = os.WriteFile(filler, make([]byte, 2<<20), 0o600) // as much as there is room for

	a := named("P0", "ServiceDown", "cart")
	r.tell(t, a)
	if p := hook.await(t, 1)[0]; p.Status != "firing" {
		t.Errorf("got %+v", p)
	}
	r.tell(t, a.over())
	if p := hook.await(t, 2)[1]; p.Status != "resolved" {
		t.Errorf("got %+v", p)
	}
	r.tell(t, named("P1", "HighErrors", "web"))
	hook.await(t, 3)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	r.tell(t, named("P1", "HighErrors", "web").over())
	hook.await(t, 4)
	r.stop()

	r = newRig(t, dir, quick(hook.URL))
	if all := r.Incidents(10); len(all) != 2 || all[0].Open() || all[1].Open() || len(r.Alerts()) > 0 {
		t.Errorf("after a restart: got %+v", all)
	}
	told, err := r.journal.Read(journal.Query{Kinds: []journal.Kind{journal.KindNoticeSent}})
	if err != nil || len(told) != 4 {
		t.Errorf("got %+v, %v", told, err)
	}
	if n := len(hook.got()); n != 4 {
		t.Errorf("told %d times", n)
	}
}
