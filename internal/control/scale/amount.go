package scale

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Amount is of processors or of bytes, or a share of what is requested.
type Amount struct {
	Value   float64 // in processors or bytes; of a percentage, 0.8 for 80%
	Percent bool
}

// units are those of Kubernetes.
var units = []struct {
	suffix string
	factor float64
}{
	{"%", 0.01}, {"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30}, {"Ti", 1 << 40},
	{"m", 1e-3}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12},
}

// UnmarshalText reads 0.5, 500m, 300Mi or 80%.
func (a *Amount) UnmarshalText(text []byte) error {
	number, factor, percent := string(text), 1., false
	for _, u := range units {
		if n, ok := strings.CutSuffix(number, u.suffix); ok {
			number, factor, percent = n, u.factor, u.suffix == "%"
			break
		}
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || value < 0 || math.IsInf(value*factor, 0) || math.IsNaN(value) {
		return fmt.Errorf("want an amount such as 0.5, 500m or 300Mi, or a percentage such as 80%%, got %q", text)
	}
	*a = Amount{Value: value * factor, Percent: percent}
	return nil
}

// SchemaYAML is a number, or text with a unit.
func (Amount) SchemaYAML() map[string]any {
	return map[string]any{"type": []string{"string", "number"}}
}

// MarshalText is String.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// String is as UnmarshalText reads it.
func (a Amount) String() string {
	if a.Percent {
		return number(100*a.Value) + "%"
	}
	return number(a.Value)
}

// number writes a figure with three digits that mean something.
func number(x float64) string {
	for _, u := range units[1:5] {
		if next := u.factor * 1024; x >= 8*u.factor && x < 8*next || u.suffix == "Ti" && x >= 8*u.factor {
			return strconv.FormatFloat(math.Round(x/u.factor), 'f', -1, 64) + u.suffix
		}
	}
	digits := 2 - int(math.Floor(math.Log10(max(math.Abs(x), 1e-6))))
	scale := math.Pow(10, float64(max(digits, 0)))
	return strconv.FormatFloat(math.Round(x*scale)/scale, 'f', -1, 64)
}
