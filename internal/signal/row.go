package signal

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// style is an SGR sequence (ECMA-48, 8.3.117). The colours are the terminal's
// own, so that they fit its theme.
type style string

const (
	normal style = ""
	dim    style = "\x1b[2m"
	bold   style = "\x1b[1m"
	good   style = "\x1b[32m"
	warn   style = "\x1b[33m"
	bad    style = "\x1b[31m"
	blue   style = "\x1b[34m"
	cyan   style = "\x1b[36m"
	title  style = "\x1b[1;36m"

	reset = "\x1b[0m"
)

// row is a line of the screen that grows from left to right and never beyond
// its width. Text that it is given cannot contain control sequences.
type row struct {
	b     strings.Builder
	used  int
	width int
}

func newRow(width int) *row { return &row{width: width} }

// put appends text, cut with an ellipsis where it does not fit.
func (r *row) put(s style, text string) *row { return r.field(s, text, r.width-r.used) }

// field appends text cut to a number of columns.
func (r *row) field(s style, text string, columns int) *row {
	columns = min(columns, r.width-r.used)
	text, n := fit(text, columns)
	if n == 0 {
		return r
	}
	if s == normal {
		r.b.WriteString(text)
	} else {
		r.b.WriteString(string(s) + text + reset)
	}
	r.used += n
	return r
}

// to moves to a column, by at least one space after text.
func (r *row) to(column int) *row {
	if r.used > 0 {
		column = max(column, r.used+1)
	}
	n := min(column, r.width) - r.used
	if n > 0 {
		r.b.WriteString(strings.Repeat(" ", n))
		r.used += n
	}
	return r
}

// whole appends text, or nothing when it does not fit.
func (r *row) whole(s style, text string) *row {
	if r.used+columns(text) <= r.width {
		r.put(s, text)
	}
	return r
}

// right appends text that ends at the right edge, or nothing when it does not
// fit after two spaces.
func (r *row) right(s style, text string) *row {
	if n := columns(text); r.used+2+n <= r.width {
		r.to(r.width-n).put(s, text)
	}
	return r
}

func (r *row) String() string { return strings.TrimRight(r.b.String(), " ") }

// fit cuts text to a number of columns and tells how many it takes.
func fit(text string, most int) (string, int) {
	text = printable(text)
	n := columns(text)
	if n <= most {
		return text, n
	}
	if most <= 0 {
		return "", 0
	}
	used := 0
	for i, r := range text {
		w := runeWidth(r)
		if used+w > most-1 {
			return text[:i] + "…", used + 1
		}
		used += w
	}
	return text, used
}

func columns(text string) (n int) {
	for _, r := range text {
		n += runeWidth(r)
	}
	return n
}

// runeWidth is how many columns a rune takes (Unicode Standard Annex 11).
func runeWidth(r rune) int {
	switch {
	case r < utf8.RuneSelf:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// printable replaces what a terminal could obey, or draw from right to left.
// An endpoint's own words may be part of a why.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029':
			return '·'
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// clip cuts a line that may hold SGR sequences to a width.
func clip(line string, most int) string {
	r := newRow(most)
	coloured := false
	for line != "" {
		if n := sgr(line); n > 0 {
			r.b.WriteString(line[:n])
			coloured = true
			line = line[n:]
			continue
		}
		end := strings.IndexByte(line[1:], '\x1b') + 1
		if end == 0 {
			end = len(line)
		}
		r.put(normal, line[:end])
		line = line[end:]
	}
	if coloured {
		r.b.WriteString(reset)
	}
	return r.b.String()
}

// plain is a line without its SGR sequences.
func plain(line string) string {
	var b strings.Builder
	for line != "" {
		if n := sgr(line); n > 0 {
			line = line[n:]
			continue
		}
		b.WriteByte(line[0])
		line = line[1:]
	}
	return b.String()
}

// sgr returns the length of the SGR sequence that s begins with, or 0.
func sgr(s string) int {
	if !strings.HasPrefix(s, "\x1b[") {
		return 0
	}
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case c == 'm':
			return i + 1
		case c != ';' && (c < '0' || c > '9'):
			return 0
		}
	}
	return 0
}
