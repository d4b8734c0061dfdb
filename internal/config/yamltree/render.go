package yamltree

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// sourceShown bounds the characters of an offending line that Render prints.
const sourceShown = 160

const (
	colorError   = "\x1b[1;31m"
	colorWarning = "\x1b[1;33m"
	colorDim     = "\x1b[2m"
	colorReset   = "\x1b[0m"
)

// Render prints the problems in the order of their places, at most 100 of them,
// each with its line of the file and a caret under the column:
//
//	afloat.yaml:3:14: error: services.web.timeout: want a duration such as 500ms, got 5; write 5s
//	    3 |     timeout: 5
//	      |              ^
func (ps Problems) Render(w io.Writer, color bool) error {
	sorted := ps.Sorted()
	for i, p := range sorted {
		if i == problemsShown {
			_, err := fmt.Fprintf(w, "and %d more\n", len(sorted)-i)
			return err
		}
		if err := p.render(w, color); err != nil {
			return err
		}
	}
	return nil
}

func (p Problem) render(w io.Writer, color bool) error {
	paint := func(code, s string) string {
		if !color {
			return s
		}
		return code + s + colorReset
	}
	mark := colorError
	if p.Severity == Warning {
		mark = colorWarning
	}
	line, indent := p.excerpt()
	head := fmt.Sprintf("%s:%d:%d: %s %s\n", p.File, p.Line, p.Column, paint(mark, p.Severity.String()+":"), p.sentence())
	if p.Source == "" { // there is no file, or nothing on the line
		_, err := io.WriteString(w, head)
		return err
	}
	_, err := io.WriteString(w, head+
		paint(colorDim, fmt.Sprintf("%5d | ", p.Line))+line+"\n"+
		paint(colorDim, "      | ")+indent+paint(mark, "^")+"\n")
	return err
}

// excerpt returns the part of the offending line around the column and the
// blanks that put a caret under it. Tabs stay, so that both lines agree in any
// terminal; other control characters cannot reach the terminal.
func (p Problem) excerpt() (line, indent string) {
	source := []rune(p.Source)
	at := min(max(p.Column-1, 0), len(source))
	from := 0
	if at > sourceShown-20 {
		from = at - sourceShown/2
	}
	to := min(len(source), from+sourceShown)
	var b, blanks strings.Builder
	if from > 0 {
		b.WriteString("…")
		blanks.WriteByte(' ')
	}
	for i, r := range source[from:to] {
		if r != '\t' && !unicode.IsPrint(r) {
			r = '\uFFFD'
		}
		b.WriteRune(r)
		if from+i < at {
			if r != '\t' {
				r = ' '
			}
			blanks.WriteRune(r)
		}
	}
	if to < len(source) {
		b.WriteString("…")
	}
	return b.String(), blanks.String()
}
