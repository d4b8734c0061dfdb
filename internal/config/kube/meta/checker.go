package meta

import (
	"slices"
	"strings"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// problemsMax bounds what a reader could use and the time that Clean takes.
const problemsMax = 1000

// A Checker collects what decoding cannot see: sums, syntax, and fields that
// contradict each other.
type Checker struct {
	Doc      *yamltree.Document
	Problems yamltree.Problems // begins as what decoding found
}

// Fail adds an error at a path.
func (c *Checker) Fail(at yamltree.Path, message, fix string) {
	c.add(c.Doc.ProblemAt(at, message, fix))
}

// Warn adds a warning at a path.
func (c *Checker) Warn(at yamltree.Path, message, fix string) {
	p := c.Doc.ProblemAt(at, message, fix)
	p.Severity = yamltree.Warning
	c.add(p)
}

func (c *Checker) add(p yamltree.Problem) {
	if len(c.Problems) < problemsMax {
		c.Problems = append(c.Problems, p)
	}
}

// Clean tells whether no error was found at a path or below it so far, so that
// a check of the value there says nothing twice.
func (c *Checker) Clean(at yamltree.Path) bool {
	prefix := c.Doc.ProblemAt(at, "", "").Path
	return !slices.ContainsFunc(c.Problems, func(p yamltree.Problem) bool {
		rest, below := strings.CutPrefix(p.Path, prefix)
		return below && p.Severity == yamltree.Error && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// EmptyList tells whether a list stands at the path and has no items.
func (c *Checker) EmptyList(at yamltree.Path) bool {
	node, found := c.Doc.Find(at)
	return found && node.Kind() == yamltree.List && len(node.Entries()) == 0
}
