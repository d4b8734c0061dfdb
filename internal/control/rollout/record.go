package rollout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/afloat-dev/afloat/internal/control/judge"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// Record is what is known of a service's versions: what is written to disk before
// anything is done about it.
type Record struct {
	Service string `json:"service"`
	// Stable is the version that the service is, and Previous the one before it.
	Stable   Version  `json:"stable"`
	Previous *Version `json:"previous,omitempty"`
	// Wanted is the process that the configuration had when it was last looked at.
	// What it asked for has been released since, or refused.
	Wanted supervise.Config `json:"wanted"`
	// Scaled is how many replicas of it run instead of as many as the
	// configuration says; 0: as it says.
	Scaled int `json:"scaled,omitempty"`
	// Release is the last one, under way or ended.
	Release *Release `json:"release,omitempty"`
	// Evidence is what the judge of the present release has seen up to a few seconds
	// ago, and Verdict what the judge of the last one found, without its course.
	Evidence *judge.Record  `json:"evidence,omitempty"`
	Verdict  *judge.Verdict `json:"verdict,omitempty"`
	// History is how the last release went. On disk it has [writtenMax] points at most.
	History []Point `json:"history,omitempty"`
	// Next is what is released once the present release has ended.
	Next *Start `json:"next,omitempty"`
	// Count is how many releases there were.
	Count int `json:"count"`
}

// Start is a release that is to begin.
type Start struct {
	Process supervise.Config `json:"process"`
	Who     string           `json:"who"`
}

// active is the release under way, or nil.
func (r *Record) active() *Release {
	if r.Release == nil || r.Release.Phase.Ended() {
		return nil
	}
	return r.Release
}

// store keeps records in a folder, a file for each service. An empty folder keeps
// none.
type store string

const (
	recordPrefix = "release-"
	recordSuffix = ".json"
	unfinished   = ".release-" // of a write that was killed
)

func (s store) path(service string) string {
	return filepath.Join(string(s), recordPrefix+service+recordSuffix)
}

// writtenMax bounds what of a history is written each time.
const writtenMax = 120

// encode is the record as it is written.
func (r *Record) encode() []byte {
	written := *r
	written.History = thinned(r.History, writtenMax)
	text, err := json.Marshal(written)
	if err != nil {
		panic("rollout: a record has only plain values: " + err.Error())
	}
	return text
}

// thinned is the last point and those at even steps before it.
func thinned(all []Point, most int) []Point {
	if len(all) <= most {
		return all
	}
	step := (len(all) + most - 1) / most
	var some []Point
	for i := (len(all) - 1) % step; i < len(all); i += step {
		some = append(some, all[i])
	}
	return some
}

// write makes sure that a service's record outlives the process and the machine:
// it is there whole, or the one before it is. One write of a service is under way at
// a time.
func (s store) write(service string, text []byte) error {
	if s == "" {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(string(s), unfinished+service), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) // environments hold secrets
	if err != nil {
		return fmt.Errorf("write the release of %s: %w", service, err)
	}
	defer os.Remove(f.Name()) // it has its own name by then, if all went well
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), s.path(service))
	}
	if err == nil {
		err = s.sync()
	}
	if err != nil {
		return fmt.Errorf("write the release of %s: %w", service, err)
	}
	return nil
}

// sync makes sure that the folder's entries outlive the machine.
func (s store) sync() error {
	folder, err := os.Open(string(s))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// remove forgets a service.
func (s store) remove(service string) error {
	if s == "" {
		return nil
	}
	if err := os.Remove(s.path(service)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.sync()
}

// read returns all records. One that is no record is put aside and told of: its
// service begins with what the configuration says. What a killed write has left is
// removed.
func (s store) read(tell func(error)) (map[string]*Record, error) {
	all := map[string]*Record{}
	if s == "" {
		return all, nil
	}
	entries, err := os.ReadDir(string(s))
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		file := filepath.Join(string(s), entry.Name())
		if strings.HasPrefix(entry.Name(), unfinished) {
			_ = os.Remove(file) // it does no harm
			continue
		}
		name, begins := strings.CutPrefix(entry.Name(), recordPrefix)
		name, ends := strings.CutSuffix(name, recordSuffix)
		if !begins || !ends {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		r, err := decodeRecord(text, name)
		if err != nil {
			tell(fmt.Errorf("%s is no release and put aside: %w", file, errors.Join(err, os.Rename(file, file+".aside"))))
			continue
		}
		all[name] = r
	}
	return all, nil
}

// decodeRecord reads the record of a service.
func decodeRecord(text []byte, service string) (*Record, error) {
	r := new(Record)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, err
	}
	if r.Service != service || r.Stable.Process.Validate() != nil {
		return nil, fmt.Errorf("it is not of the service %q", service)
	}
	return r, nil
}
