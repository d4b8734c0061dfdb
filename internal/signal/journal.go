package signal

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/journal"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// GatewayEntry is a change of the gateway's state as the journal keeps it.
func GatewayEntry(e gateway.Event) journal.Entry {
	kind := journal.KindGateway
	switch {
	case e.Kind == gateway.EventFault && e.To == "injected":
		kind = journal.KindFaultInjected
	case e.Kind == gateway.EventFault:
		kind = journal.KindFaultEnded
	case e.Endpoint != "":
		kind = journal.KindEndpoint
	case e.Service != "":
		kind = journal.KindService
	}
	return journal.Entry{
		Time: e.Time, Kind: kind, Level: journal.Level(gatewayLevel(e)), Who: cmp.Or(e.Who, "gateway"),
		Subject: part(e.Service, e.Endpoint), What: gatewayWhat(e), Why: e.Why,
	}
}

// SupervisorEntry is a change of a process or its service as the journal keeps
// it.
func SupervisorEntry(e supervise.Event) journal.Entry {
	entry := journal.Entry{
		Time: e.Time, Kind: journal.KindRelease, Level: journal.Level(superviseLevel(e)), Who: "supervisor",
		Subject: e.Service, What: string(e.Kind), Why: e.Why,
	}
	if e.Replica != 0 {
		entry.Kind, entry.Subject = journal.KindProcess, part(e.Service, "replica-"+strconv.Itoa(e.Replica))
	}
	if e.Asked && e.Kind == supervise.EventExited {
		entry.Level = journal.LevelNote
	}
	entry.Detail = journal.Detail(struct {
		Revision string `json:"revision,omitempty"`
		PID      int    `json:"pid,omitempty"`
	}{e.Revision, e.PID})
	return entry
}

// part names a part of a service as the journal does.
func part(service, name string) string { return strings.Trim(service+"/"+name, "/") }
