package yamltree

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

// Severity tells whether a problem stops the file from being used.
type Severity int

const (
	// Error is a problem that must be mended.
	Error Severity = iota
	// Warning is something the reader should know, such as an ignored field.
	Warning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// problemsShown bounds what Error and Render print of one list of problems.
const problemsShown = 100

// A Problem is one thing wrong at one place of a file.
type Problem struct {
	File     string   // as given to Parse
	Line     int      // from 1
	Column   int      // from 1, counted in characters
	Path     string   // such as http[0].route[1].weight; empty for the whole document
	Message  string   // what is wrong
	Fix      string   // what to write instead; may be empty
	Severity Severity // Error unless said otherwise
	Source   string   // the offending line, without its line break
}

// Error returns "file:line:col: path: message; fix" in one line. A warning has
// "warning: " after the place.
func (p Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	if p.Severity == Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(p.sentence())
	return b.String()
}

// sentence returns "path: message; fix" in one printable line, whatever the file
// brought into it.
func (p Problem) sentence() string {
	s := p.Message
	if p.Path != "" {
		s = p.Path + ": " + s
	}
	if p.Fix != "" {
		s += "; " + p.Fix
	}
	return printable(s)
}

// Problems are all that is wrong with a file, in no particular order. They are
// an error only if one of them has severity Error: return [Problems.Err], not
// the list, where an error is wanted.
type Problems []Problem

// Err returns the problems as an error, or nil if there are at most warnings.
// The error's chain holds the Problems for [errors.As].
func (ps Problems) Err() error {
	for _, p := range ps {
		if p.Severity == Error {
			return ps
		}
	}
	return nil
}

// Error returns the problems in the order of their places, one a line, at most
// 100 of them.
func (ps Problems) Error() string {
	sorted := ps.Sorted()
	var b strings.Builder
	for i, p := range sorted {
		if i == problemsShown {
			fmt.Fprintf(&b, "\nand %d more", len(sorted)-i)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.Error())
	}
	return b.String()
}

// Warnings returns only the problems of severity Warning.
func (ps Problems) Warnings() Problems { return ps.only(Warning) }

// Errors returns only the problems of severity Error.
func (ps Problems) Errors() Problems { return ps.only(Error) }

func (ps Problems) only(s Severity) Problems {
	var out Problems
	for _, p := range ps {
		if p.Severity == s {
			out = append(out, p)
		}
	}
	return out
}

// Sorted returns a copy ordered by file, line, column, and errors before
// warnings at the same place.
func (ps Problems) Sorted() Problems {
	out := append(Problems(nil), ps...)
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i], out[j]
		switch {
		case a.File != b.File:
			return a.File < b.File
		case a.Line != b.Line:
			return a.Line < b.Line
		case a.Column != b.Column:
			return a.Column < b.Column
		}
		return a.Severity < b.Severity
	})
	return out
}

// AsProblems finds the Problems in an error's chain; it returns nil if there
// are none.
func AsProblems(err error) Problems {
	var ps Problems
	if errors.As(err, &ps) {
		return ps
	}
	return nil
}
