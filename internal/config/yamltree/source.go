package yamltree

import (
	"strings"
	"unicode/utf8"
)

// A source is the text of one file, kept for the offending lines of problems.
type source struct {
	file  string
	lines []string
}

func newSource(file string, text string) *source {
	return &source{file: file, lines: strings.Split(text, "\n")}
}

// problem makes a problem whose place lies within the file, whatever line and
// column say.
func (s *source) problem(line, column int, severity Severity, path, message, fix string) Problem {
	line = min(max(line, 1), len(s.lines))
	text := s.lines[line-1]
	column = min(max(column, 1), utf8.RuneCountInString(text)+1)
	return Problem{
		File: s.file, Line: line, Column: column, Path: path,
		Message: message, Fix: fix, Severity: severity, Source: text,
	}
}
