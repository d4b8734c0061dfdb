package main

import (
	"path/filepath"
	"slices"
	"time"

	"github.com/afloat-dev/afloat/internal/journal"
)

// witness is a gateway that tells when it took replicas out of service.
type witness interface {
	// takenOut returns the first time after then for each replica that it took
	// out before the end. The gateway has ended.
	takenOut(dir string, then, end time.Time) (map[string]time.Time, error)
}

// takenOut reads Afloat's journal.
func (*afloat) takenOut(dir string, then, end time.Time) (map[string]time.Time, error) {
	j, err := journal.Open(journal.Options{Dir: filepath.Join(dir, "data", "journal")})
	if err != nil {
		return nil, err
	}
	defer j.Close()
	entries, err := j.Read(journal.Query{Since: then, Until: end, Kinds: []journal.Kind{journal.KindEndpoint}})
	if err != nil {
		return nil, err
	}
	first := map[string]time.Time{}
	for _, e := range entries {
		address := filepath.Base(e.Subject)
		if _, known := first[address]; e.Level == journal.LevelBad && !known {
			first[address] = e.Time
		}
	}
	return first, nil
}

// testify notes how soon the gateway took the victim out, and how many others.
func (t *trial) testify(r *result) error {
	w, ok := t.front.gateway.(witness)
	if !ok || !t.storm.judged {
		return nil
	}
	all, err := w.takenOut(t.front.site.Dir, t.struck, t.lifted)
	if err != nil {
		return err
	}
	victim := ""
	if !t.storm.after {
		victim = t.victim().address
	}
	mistaken := 0
	for address, at := range all {
		if address == victim {
			soon := at.Sub(t.struck).Seconds()
			r.TakenOut = &soon
		} else if slices.Contains(t.fleet.addresses(), address) {
			mistaken++
		}
	}
	r.Mistaken = &mistaken
	return nil
}
