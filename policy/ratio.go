package policy

import (
	"fmt"
	"strconv"
	"strings"
)

// Ratio is a share between 0 and 1. Its text is a percentage such as "20%" or
// a number such as "0.2".
type Ratio float64

// UnmarshalText reads "20%" or "0.2".
func (r *Ratio) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	number, percent := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil {
		return fmt.Errorf("want a share such as 20%% or 0.2, got %q", s)
	}
	if percent {
		f /= 100
	}
	*r = Ratio(f)
	return nil
}

// MarshalText writes the ratio as a percentage.
func (r Ratio) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String is the ratio as a percentage with up to three significant digits.
func (r Ratio) String() string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(float64(r)*100, 'g', 3, 64), 64)
	return strconv.FormatFloat(rounded, 'f', -1, 64) + "%"
}
