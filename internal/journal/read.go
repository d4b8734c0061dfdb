package journal

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"
)

// lateMax is how much later than it happened something may be written.
const lateMax = time.Minute

// Read returns the entries that a query picks, oldest first.
func (j *Journal) Read(q Query) ([]Entry, error) {
	q = q.bounded()
	j.mu.Lock()
	f := j.folder
	kept := j.memory.list()
	j.mu.Unlock()
	all := slices.DeleteFunc(kept, func(e Entry) bool { return !q.Picks(&e) })
	if f != nil {
		for _, each := range f.both() {
			entries, err := each.read(q)
			if err != nil {
				return nil, fmt.Errorf("read the journal: %w", err)
			}
			all = append(all, entries...)
		}
		slices.SortFunc(all, func(x, y Entry) int { return cmp.Compare(x.ID, y.ID) })
		// What was in memory alone may have been written meanwhile.
		all = slices.CompactFunc(all, func(x, y Entry) bool { return x.ID == y.ID })
	}
	switch most := min(q.Limit, len(all)); {
	case q.Oldest:
		return all[:most], nil
	default:
		return all[len(all)-most:], nil
	}
}

// read returns the entries that a query picks, of the files that it needs. A
// file that was deleted meanwhile is past its time.
func (f *files) read(q Query) ([]Entry, error) {
	f.mu.Lock()
	firsts := slices.Clone(f.firsts)
	f.mu.Unlock()
	firsts = firsts[q.from(firsts):]
	if !q.Oldest {
		slices.Reverse(firsts)
	}
	p := &picker{Query: q, hints: q.hints()}
	for _, first := range firsts {
		text, err := os.ReadFile(f.path(first)) // it has a limit
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		if p.take(text); p.done {
			break
		}
	}
	return p.entries, nil
}

// from is the first file that may have entries after the one that the query
// names.
func (q *Query) from(firsts []uint64) int {
	at, _ := slices.BinarySearch(firsts, q.After+2)
	return max(0, at-1)
}

// hints are the beginnings of what a line of a wanted entry contains: looking
// for one costs a fraction of what reading the line does.
func (q *Query) hints() (all [][]byte) {
	for _, k := range q.Kinds {
		all = append(all, []byte(`"kind":`+opening(string(k))))
	}
	if len(all) == 0 && q.Subject != "" && !q.Own {
		all = append(all, []byte(`"subject":`+opening(q.Subject)))
	}
	return all
}

// opening is a text as it begins in JSON.
func opening(text string) string {
	quoted := Detail(text)
	return string(quoted[:len(quoted)-1])
}

// picker collects what a query wants, in the order in which it reads.
type picker struct {
	Query
	hints   [][]byte
	entries []Entry
	done    bool // nothing more is wanted
}

// take reads a file's lines, from its beginning or from its end. What stands
// behind the last line end is being written; a line that cannot be read is left
// out.
func (p *picker) take(text []byte) {
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	for len(text) > 0 && !p.done {
		var line []byte
		if p.Oldest {
			end := bytes.IndexByte(text, '\n') + 1
			line, text = text[:end], text[end:]
		} else {
			start := bytes.LastIndexByte(text[:len(text)-1], '\n') + 1
			line, text = text[start:], text[:start]
		}
		p.line(line, len(text) == 0)
	}
}

// line takes a line; the last one of a file tells how old what comes before is.
func (p *picker) line(line []byte, last bool) {
	if !p.hinted(line) && (!last || p.Since.IsZero()) {
		return
	}
	var e Entry
	if json.Unmarshal(line, &e) != nil {
		return
	}
	if p.Picks(&e) {
		p.entries = append(p.entries, e)
	}
	p.done = len(p.entries) == p.Limit || !p.Oldest && e.Time.Before(p.Since.Add(-lateMax))
}

// hinted reports whether a line may be wanted.
func (p *picker) hinted(line []byte) bool {
	if p.After > 0 {
		digits, ok := bytes.CutPrefix(line, []byte(`{"id":`))
		end := bytes.IndexByte(digits, ',')
		if id, err := strconv.ParseUint(string(digits[:max(end, 0)]), 10, 64); ok && err == nil && id <= p.After {
			return false
		}
	}
	return len(p.hints) == 0 || slices.ContainsFunc(p.hints, func(hint []byte) bool { return bytes.Contains(line, hint) })
}
