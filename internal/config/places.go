package config

import (
	"slices"
	"strings"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// A place is a node of a document.
type place struct {
	doc  *yamltree.Document
	path yamltree.Path
	// foreign documents have other field names: steps that are not found there
	// are dropped, so that the nearest node which has them is shown.
	foreign bool
}

func (p place) at(steps ...any) place {
	p.path = p.path.At(steps...)
	return p
}

// problem says what is wrong at the place.
func (p place) problem(message, fix string) yamltree.Problem {
	path := p.path
	for n := len(path); p.foreign && n > 0; n-- {
		if _, found := p.doc.Find(path); found {
			break
		}
		path = path[:n-1]
	}
	return p.doc.ProblemAt(path, message, fix)
}

func (p place) warning(message, fix string) yamltree.Problem {
	problem := p.problem(message, fix)
	problem.Severity = yamltree.Warning
	return problem
}

// places remembers where the parts of an assembly stood. A path of the assembly
// that is not there itself is found by its nearest known ancestor.
type places map[string]place

const stepSeparator = "\x00"

func key(path []string) string { return strings.Join(path, stepSeparator) }

// set notes where the part of the assembly at a path came from.
func (ps places) set(at place, path ...any) { ps[key(yamltree.Path{}.At(path...))] = at }

// find returns the place of a path of the assembly, or false if nothing is
// known of it nor of any of its ancestors.
func (ps places) find(path []string) (place, bool) {
	for n := len(path); n > 0; n-- {
		if p, ok := ps[key(path[:n])]; ok {
			p.path = append(slices.Clone(p.path), path[n:]...)
			return p, true
		}
	}
	return place{}, false
}

// argumentProblem is a mistake in an argument of the command line.
func argumentProblem(flag, value, message, fix string) yamltree.Problem {
	return yamltree.Problem{File: flag, Line: 1, Column: 1, Message: message, Fix: fix, Source: value}
}
