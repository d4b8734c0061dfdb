package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/afloat-dev/afloat/internal/authority"
	"github.com/afloat-dev/afloat/internal/config"
	"github.com/afloat-dev/afloat/internal/gateway"
)

const (
	renewInterval = time.Second      // between two looks at what is due
	renewPause    = 10 * time.Second // after a renewal that failed
	renewLook     = time.Minute      // until the file is read again: somebody else may have replaced it
)

// renewer renews the certificates of which a configuration says who issues them.
// One that cannot be renewed stays, and is told of once.
type renewer struct {
	log  *slog.Logger
	next map[string]time.Time // when to look at a file again
	said map[string]string    // what was said of it last
}

func newRenewer(log *slog.Logger) *renewer {
	return &renewer{log: log, next: map[string]time.Time{}, said: map[string]string{}}
}

// renew renews what is due now.
func (r *renewer) renew(all []gateway.Renewal) {
	for _, one := range all {
		now := time.Now()
		if now.Before(r.next[one.File]) {
			continue
		}
		renewed, c, err := authority.RenewDue(one.From, one.File)
		if err != nil {
			r.next[one.File] = now.Add(renewPause)
			if why := err.Error(); r.said[one.File] != why {
				r.said[one.File] = why
				r.log.Error("certificate not renewed; the old one stays", "file", one.File, "until", c.NotAfter, "error", err)
			}
			continue
		}
		delete(r.said, one.File)
		r.next[one.File] = now.Add(min(time.Until(c.RenewAt), renewLook))
		if renewed {
			r.log.Info("certificate renewed", "file", one.File, "identity", c.SPIFFE, "until", c.NotAfter)
		}
	}
}

// renew keeps the certificates of the configuration in force valid.
func (d *daemon) renew(ctx context.Context) error {
	tick := time.NewTicker(renewInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			d.renewer.renew(d.current().Gateway.Renewals())
		}
	}
}

// issuances are the certificates that the configuration in force has issued.
func (d *daemon) issuances() []gateway.Issuance { return d.current().Gateway.Issuances() }

// current is the assembly in force.
func (d *daemon) current() *config.Assembly {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.assembly
}
