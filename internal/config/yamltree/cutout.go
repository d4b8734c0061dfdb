package yamltree

import "strings"

// Cutout returns the text of the file in which nothing but the key at a path and
// what belongs to it is left, at its place, for a reader of its own whose
// messages have lines and columns. It is false where there is no such key, or
// where other text stands on its lines, as within { }.
func (d *Document) Cutout(path Path) ([]byte, bool) {
	n, ok := d.Find(path)
	if !ok || n.keyLine == 0 {
		return nil, false
	}
	lines := n.source.lines
	first, margin := n.keyLine-1, n.keyColumn-1
	if first >= len(lines) || strings.TrimLeft(lines[first][:min(margin, len(lines[first]))], " ") != "" {
		return nil, false
	}
	var out strings.Builder
	out.WriteString(strings.Repeat("\n", first))
	out.WriteString(lines[first] + "\n")
	for _, line := range lines[first+1:] {
		rest := strings.TrimLeft(line, " ")
		indent := len(line) - len(rest)
		ends := indent < margin || indent == margin && !strings.HasPrefix(rest, "- ") && rest != "-"
		if rest != "" && rest[0] != '#' && ends {
			break
		}
		out.WriteString(line + "\n")
	}
	return []byte(out.String()), true
}
