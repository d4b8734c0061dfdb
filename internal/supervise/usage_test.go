package supervise

import (
	"testing"
	"time"
)

func TestUsageIsThatOfTheReplicasProcesses(t *testing.T) {
	busy := testConfig("busy", "serve")
	busy.Command = []string{"/bin/sh", "-c", "sh -c 'while :; do :; done' & wait"} // its child uses the CPU
	busy.Ports, busy.Serves = nil, false
	idle := testConfig("idle", "serve")
	h := supervise(t, nil, busy, idle)
	h.settle()
	var used []Usage
	h.eventually("the child has had a tenth of a second", func() bool {
		var err error
		if used, err = h.Usage("busy"); err != nil {
			t.Fatal(err)
		}
		return len(used) == 1 && used[0].CPU >= 100*time.Millisecond
	})
	if used[0].Memory < 64<<10 || used[0].Memory > 1<<30 || used[0].Replica != 1 || used[0].Started.IsZero() {
		t.Errorf("got %+v", used[0])
	}
	other, err := h.Usage("idle")
	if err != nil || len(other) != 1 || other[0].CPU > used[0].CPU+5*time.Second {
		t.Errorf("idle: %+v, %v", other, err)
	}
	if none, err := h.Usage("none"); err != nil || none != nil {
		t.Errorf("of no service: %v, %v", none, err)
	}
}
