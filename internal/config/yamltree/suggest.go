package yamltree

import (
	"sort"
	"strings"
)

// Suggest returns the candidate that a mistyped word most likely meant, or
// nothing if none is near: at most a third of its letters wrong, counting
// swapped neighbours once, and neither case nor separators.
func Suggest(word string, candidates []string) string {
	sorted := append([]string(nil), candidates...)
	sort.Strings(sorted)
	best, bestDistance := "", len(word)
	folded := fold(word)
	for _, c := range sorted {
		target := fold(c)
		limit := max(1, min(len(folded), len(target))/3)
		if abs(len(folded)-len(target)) > limit || len(folded) > 100 {
			continue
		}
		if d := distance(folded, target); d <= limit && d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// didYouMean returns a mend for an unknown word.
func didYouMean(word string, known []string) string {
	if near := Suggest(word, known); near != "" {
		return "did you mean " + near + "?"
	}
	sorted := append([]string(nil), known...)
	sort.Strings(sorted)
	switch {
	case len(sorted) == 0:
		return "remove it"
	case len(sorted) > 12:
		return "known here: " + strings.Join(sorted[:12], ", ") + ", …"
	}
	return "known here: " + strings.Join(sorted, ", ")
}

func fold(s string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(s))
}

// distance is the optimal string alignment distance (Damerau-Levenshtein where
// no substring is edited twice).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func abs(x int) int { return max(x, -x) }
