package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/afloat-dev/afloat/internal/handover"
	"github.com/afloat-dev/afloat/internal/journal"
)

// successorMark is in the environment of an Afloat that is to take the place of
// the one that started it: the number of the file by which they talk.
const successorMark = "AFLOAT_SUCCESSOR"

const successorFile = 3

// What a new Afloat says to the one whose place it takes.
const (
	saysReady  = "ready"  // its configuration is good
	saysFailed = "failed" // why it does not serve
)

// predecessor is the Afloat whose place this one takes; nil where there is none.
type predecessor struct{ conn *handover.Conn }

// findPredecessor returns who started this process to be its successor.
func findPredecessor() (*predecessor, error) {
	if os.Getenv(successorMark) == "" {
		return nil, nil
	}
	_ = os.Unsetenv(successorMark) // it is for this process alone
	conn, err := handover.Open(os.NewFile(successorFile, "predecessor"))
	if err != nil {
		return nil, err
	}
	return &predecessor{conn}, nil
}

// ask says that this Afloat could serve, and returns what it takes over.
func (p *predecessor) ask() (*handover.Inheritance, error) {
	if p == nil {
		return nil, nil
	}
	if err := p.say(saysReady, readBuild().Version); err != nil {
		return nil, fmt.Errorf("take over: %w", err)
	}
	return handover.Receive(p.conn, time.Now().Add(upgradeMax))
}

// failed says why this Afloat does not serve, and returns the reason.
func (p *predecessor) failed(err error) error {
	if p != nil {
		_ = p.say(saysFailed, err.Error()) // the end of this process says it too
	}
	return err
}

func (p *predecessor) say(key, text string) error {
	value, err := json.Marshal(text)
	if err != nil {
		return err
	}
	return p.conn.Send(handover.Message{Key: key, Value: value}, time.Second)
}

// claim takes over what the keeper of an Afloat that was killed still holds.
func (d *daemon) claim() error {
	if d.in != nil || d.data.passing {
		return nil
	}
	in, err := handover.Claim(d.data.path, time.Now().Add(claimMax))
	if err != nil {
		d.log.Warn("what an earlier Afloat left running is not taken over", "error", err)
		return nil
	}
	d.in = in
	return nil
}

// claimMax bounds the wait for a keeper that learns that its Afloat has ended.
const claimMax = 5 * time.Second

// inherit gives the supervisor what was taken over, and the gateway those of
// its replicas that are ready, before it takes connections.
func (d *daemon) inherit() error {
	if d.in == nil {
		return nil
	}
	if err := d.supervisor.Inherit(d.in, d.elder); err != nil {
		return err
	}
	for service, ready := range d.supervisor.Endpoints() {
		d.releases.EndpointsChanged(service, ready)
	}
	return nil
}

// settle ends the takeover once everything serves, unless ctx ends before.
func (d *daemon) settle(ctx context.Context) {
	select {
	case <-d.supervisor.Serving():
	case <-ctx.Done():
		if d.in != nil {
			d.in.Close() // the earlier one goes on
		}
		return
	}
	if d.in == nil {
		return
	}
	if err := d.in.Taken(); err != nil {
		d.log.Warn("the earlier Afloat has ended before it was told that this one has taken over", "error", err)
		return
	}
	d.log.Info("took over from an earlier Afloat")
	d.journal.Post(journal.Entry{Kind: journal.KindUpgraded, Who: "afloat", What: "took over from an earlier Afloat", Why: "version " + readBuild().Version})
}
