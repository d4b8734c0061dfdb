package supervise

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is an amount of memory or disk. In YAML it is a number with a unit, as in Kubernetes: Ki, Mi, Gi and Ti are
// powers of 1024 (a B may follow), k, M, G and T those of 1000.
type Bytes int64

var byteUnits = []struct {
	suffix string
	factor float64
}{
	{"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30}, {"Ti", 1 << 40}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12},
}

// UnmarshalText reads an amount.
func (b *Bytes) UnmarshalText(text []byte) error {
	number, factor := strings.TrimSuffix(string(text), "B"), 1.0
	for _, u := range byteUnits {
		if n, ok := strings.CutSuffix(number, u.suffix); ok {
			number, factor = n, u.factor
			break
		}
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || value < 0 || value*factor > math.MaxInt64/2 || math.IsNaN(value) {
		return fmt.Errorf("want an amount such as 512Mi or 2GiB, got %q", text)
	}
	*b = Bytes(value * factor)
	return nil
}

// MarshalText writes it with the largest binary unit that leaves a whole number.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String is as MarshalText.
func (b Bytes) String() string {
	for i := 3; i >= 0; i-- {
		if factor := Bytes(byteUnits[i].factor); b >= factor && b%factor == 0 {
			return strconv.FormatInt(int64(b/factor), 10) + byteUnits[i].suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// SchemaYAML is a number of bytes, or text with a unit.
func (Bytes) SchemaYAML() map[string]any { return map[string]any{"type": []string{"string", "number"}} }
