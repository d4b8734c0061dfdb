package alert

import (
	"context"
	"strings"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/notify"
)

const (
	// keyTold is where the notification log keeps the fingerprints of the alerts
	// that a receiver heard of and has not heard the end of.
	keyTold = "afloat_told"
	toldMax = 10_000
)

// heard leaves out alerts that are over and of which the receiver never heard:
// an outage held them back for all their life, and nobody needs to know that it
// has ended. Alertmanager alone would tell of them beside others of their group.
// It returns what to note in the log once the others have been told.
func (n *noticer) heard(ctx context.Context, alerts []*alert.Alert) (tell []*alert.Alert, note func()) {
	group, _ := notify.GroupKey(ctx)
	entries, _ := n.manager.sent.Query(nflog.QGroupKey(group), nflog.QReceiver(&nflogpb.Receiver{
		GroupName: n.receiver, Integration: n.inner.Name(), Idx: uint32(n.inner.Index()),
	}))
	var list string
	knows := true // of a log that was written before the list was kept
	if len(entries) > 0 {
		list, knows = nflog.NewStore(entries[0]).GetStr(keyTold)
	}
	told := strings.Fields(list)
	open := make(map[string]bool, len(told)+len(alerts))
	for _, fingerprint := range told {
		open[fingerprint] = true
	}
	for _, a := range alerts {
		fingerprint := a.Fingerprint().String()
		switch {
		case !a.Resolved():
			if !open[fingerprint] {
				told = append(told, fingerprint)
			}
			open[fingerprint] = true
		case knows && !open[fingerprint]:
			continue
		default:
			delete(open, fingerprint)
		}
		tell = append(tell, a)
	}
	return tell, func() {
		store, ok := notify.NflogStore(ctx)
		if !ok {
			return
		}
		kept := told[:0]
		for _, fingerprint := range told {
			if open[fingerprint] {
				kept = append(kept, fingerprint)
			}
		}
		store.SetStr(keyTold, strings.Join(kept[max(0, len(kept)-toldMax):], " "))
	}
}
