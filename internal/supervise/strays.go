package supervise

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// strayMax bounds the killing of what an earlier Afloat left behind.
const strayMax = 10 * time.Second

// endStrays kills what carries the mark of an earlier Afloat of the same folder, or of this instance, and is not among
// the replicas: it was left by an Afloat and a keeper that were killed together, or was being stopped when Afloat died.
// Where the instance cannot be noted, as on a full disk, what this one leaves will not be known.
func (s *Supervisor) endStrays() {
	if s.opts.Dir == "" || s.elder {
		return
	}
	file := filepath.Join(s.opts.Dir, instanceName)
	before, err := os.ReadFile(file)
	if err == nil && len(before) < instanceBytes {
		if name := strings.TrimSpace(string(before)); name != "" {
			s.sweepStrays(name)
		}
	}
	if err := os.WriteFile(file, []byte(s.instance+"\n"), 0o600); err != nil {
		s.opts.Logger.Error("the instance cannot be noted: if Afloat and its keeper are killed, their processes stay", "error", err)
	}
}

func (s *Supervisor) sweepStrays(instance string) {
	ours := map[string]bool{}
	s.mu.Lock()
	for _, svc := range s.services {
		for _, r := range svc.replicas {
			if r.life != nil {
				ours[r.life.marker] = true
			}
		}
	}
	s.mu.Unlock()
	if own, err := ownGroup(); err == nil {
		s.killStrayGroups(filepath.Join(own, groupPrefix+instance))
	}
	ctx, cancel := context.WithTimeout(context.Background(), strayMax)
	defer cancel()
	look := func() ([]proc, error) {
		table, err := processTable(true)
		for i := range table {
			if ours[table[i].marker] {
				table[i].marker = ""
			}
		}
		return table, err
	}
	f := family{marker: instance + "/"}
	table, err := look()
	if err == nil && len(f.members(table)) == 0 {
		return
	}
	s.opts.Logger.Warn("processes of an earlier Afloat are killed", "count", len(f.members(table)))
	if left, err := f.sweep(ctx, look); err != nil {
		s.opts.Logger.Error("processes of an earlier Afloat are left", "count", len(left), "error", err)
	}
}

// killStrayGroups kills what is in the control groups of an earlier Afloat, but for those of the replicas.
func (s *Supervisor) killStrayGroups(dir string) {
	ours := map[string]bool{}
	s.mu.Lock()
	for _, svc := range s.services {
		for _, r := range svc.replicas {
			if r.life != nil && r.life.group != nil {
				ours[r.life.group.dir] = true
			}
		}
	}
	s.mu.Unlock()
	entries, _ := os.ReadDir(dir) // there may be none
	var strays []string
	for _, e := range entries {
		if group := filepath.Join(dir, e.Name()); e.IsDir() && !ours[group] {
			strays = append(strays, group)
		}
	}
	killGroups(strays)
	if len(ours) == 0 {
		_ = os.Remove(dir) // if there is one
	}
}
