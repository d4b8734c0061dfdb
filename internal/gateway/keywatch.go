package gateway

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// keysInterval is how often files of certificates are looked at. Looking, and
// not asking the system to tell, finds every way of replacing a file.
const keysInterval = 2 * time.Second

// watchKeys takes certificates that are replaced while the gateway runs. Files
// that cannot be used change nothing, and are told of once.
func (g *Gateway) watchKeys(ctx context.Context) {
	tick := time.NewTicker(keysInterval)
	defer tick.Stop()
	refused := map[*atomic.Pointer[keys]]string{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for _, e := range g.renewKeys(refused) {
				g.observer.Event(e)
			}
		}
	}
}

// renewKeys reads changed files. Refused remembers what was said of which.
func (g *Gateway) renewKeys(refused map[*atomic.Pointer[keys]]string) (events []Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	renew := func(held *atomic.Pointer[keys], what, service string) {
		now := held.Load()
		if now == nil || !now.changed() {
			delete(refused, held)
			return
		}
		next, err := loadKeys(g.challenges, now.of)
		if err == nil {
			delete(refused, held)
			held.Store(next)
			events = append(events, Event{Time: time.Now(), Kind: EventKeysLoaded, Service: service, To: what, Why: next.describe()})
			return
		}
		if why := "the certificates in use stay: " + oneLine(err); refused[held] != why {
			refused[held] = why
			events = append(events, Event{Time: time.Now(), Kind: EventKeysRefused, Service: service, To: what, Why: why})
		}
	}
	for _, l := range g.listeners {
		renew(&l.keys, l.address, "")
	}
	for name, s := range g.table.Load().services {
		renew(&s.keys, "", name)
	}
	return events
}

// oneLine joins problems that stand on lines of their own, without their paths:
// nobody has written the file's name wrong.
func oneLine(err error) string {
	var all []string
	for _, e := range flatten(err) {
		text := e.Error()
		if c, ok := e.(*ConfigError); ok {
			text = c.Problem
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

// describe says which certificates are shown, and until when they are valid.
func (k *keys) describe() string {
	var all []string
	for _, c := range k.leaves {
		all = append(all, fmt.Sprintf("%s until %s", certificateName(c), c.NotAfter.UTC().Format(time.DateTime)))
	}
	if len(all) == 0 {
		return "no certificate is shown"
	}
	return strings.Join(all, ", ")
}
