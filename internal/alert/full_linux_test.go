package alert_test

import (
	"testing"

	"github.com/afloat-dev/afloat/internal/journal"
	"github.com/afloat-dev/afloat/internal/smalldisk"
)

// TestPeopleAreToldWhileTheDiskIsFull fills the disk below Afloat, and makes room
// again.
func TestPeopleAreToldWhileTheDiskIsFull(t *testing.T) {
	disk := smalldisk.New(t, 1<<20)
	hook := newSink(t)
	r := newRig(t, disk.Dir, quick(hook.URL))
	disk.Fill(t)

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
	disk.MakeRoom(t)
	r.tell(t, named("P1", "HighErrors", "web").over())
	hook.await(t, 4)
	r.stop()

	r = newRig(t, disk.Dir, quick(hook.URL))
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
