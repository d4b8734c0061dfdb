package figure

import (
	"reflect"
	"slices"
	"strconv"
	"sync"

	"github.com/afloat-dev/afloat/policy"
)

// Set is a set of policies that have a name. The zero value is empty.
type Set struct {
	mu    sync.Mutex
	named []named // guarded
}

type named struct {
	name     string
	policies []policy.Policy
}

// Add puts policies in under a name, in place of those that had it.
func (s *Set) Add(name string, policies ...policy.Policy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := named{name, flat(nil, policies)}
	if i := s.index(name); i >= 0 {
		s.named[i] = entry
		return
	}
	s.named = append(s.named, entry)
}

// Remove takes the policies of a name out.
func (s *Set) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.index(name); i >= 0 {
		s.named = slices.Delete(s.named, i, i+1)
	}
}

func (s *Set) index(name string) int {
	return slices.IndexFunc(s.named, func(n named) bool { return n.name == name })
}

// flat adds policies to all, each pipeline as what it consists of, and limits as
// what they are of: those of two keys have their figures together.
func flat(all, policies []policy.Policy) []policy.Policy {
	for _, p := range policies {
		switch p := p.(type) {
		case nil:
		case *policy.Pipeline:
			all = flat(all, p.Policies())
		case policy.Limits:
			for _, l := range p {
				all = flat(all, []policy.Policy{l.Source()})
			}
		case policy.Limit:
			all = flat(all, []policy.Policy{p.Source()})
		default:
			all = append(all, p)
		}
	}
	return all
}

// Read tells the figures of every policy with its kind and its name in the set:
// that which it was put in under, then its own. A policy that is there several
// times counts once, by its first name. Two of a kind and a name are told apart
// by a number.
func (s *Set) Read(tell func(kind, name string, f Figure)) {
	s.mu.Lock()
	all := slices.Clone(s.named)
	s.mu.Unlock()
	told := map[policy.Policy]bool{}
	taken := map[[2]string]int{}
	for _, entry := range all {
		for _, p := range entry.policies {
			if comparable := reflect.ValueOf(p).Comparable(); comparable && told[p] {
				continue
			} else if comparable {
				told[p] = true
			}
			status := policy.StatusOf(p)[0]
			name := entry.name
			if status.Name != "" && status.Name != name {
				name += "/" + status.Name
			}
			key := [2]string{status.Kind, name}
			if taken[key]++; taken[key] > 1 {
				name += "-" + strconv.Itoa(taken[key])
			}
			for _, f := range Of(status) {
				tell(status.Kind, name, f)
			}
		}
	}
}
