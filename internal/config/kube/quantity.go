package kube

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// A Quantity is an amount as Kubernetes writes it: 100m of a CPU, 128Mi of
// memory.
type Quantity struct {
	Text  string  // as written
	Value float64 // in units: CPUs, bytes
}

var quantityPattern = regexp.MustCompile(`^([-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))([eE][-+]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?$`)

// Decimal units are exponents, so that 100n is read as exactly as 1e-7.
var (
	decimalUnits = map[string]string{"n": "e-9", "u": "e-6", "m": "e-3", "k": "e3", "M": "e6", "G": "e9", "T": "e12", "P": "e15", "E": "e18"}
	binaryUnits  = map[string]float64{"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50, "Ei": 1 << 60}
)

// UnmarshalText reads the text form of k8s.io/apimachinery's resource.Quantity.
func (q *Quantity) UnmarshalText(text []byte) error {
	parts := quantityPattern.FindStringSubmatch(string(text))
	if parts == nil {
		return fmt.Errorf("want an amount such as 500m, 0.5 or 128Mi, got %q", clip(string(text)))
	}
	number, unit := parts[1], parts[2]
	factor, binary := binaryUnits[unit]
	switch exponent, decimal := decimalUnits[unit]; {
	case decimal:
		number, factor = number+exponent, 1
	case !binary:
		number, factor = number+unit, 1
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsInf(value*factor, 0) {
		return fmt.Errorf("the amount %s is too large", clip(string(text)))
	}
	if value < 0 {
		return fmt.Errorf("want an amount of 0 or more, got %s", text)
	}
	*q = Quantity{Text: string(text), Value: value * factor}
	return nil
}

// String returns the amount as written.
func (q Quantity) String() string { return q.Text }

func clip(text string) string {
	if len(text) > 40 {
		return text[:40] + "…"
	}
	return text
}
