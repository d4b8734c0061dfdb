package kube

import (
	"strconv"
	"strings"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// IntOrPercent is a number of replicas, absolute or in percent of all.
type IntOrPercent struct {
	Count   int
	Percent bool // Count is a percentage
}

// quarter is the default of Kubernetes.
var quarter = IntOrPercent{Count: 25, Percent: true}

// DecodeYAML reads 1 or "25%".
func (p *IntOrPercent) DecodeYAML(d *yamltree.Decoder, n *yamltree.Node) {
	const wanted = "a number or a percentage such as 25%"
	switch digits, percent := strings.CutSuffix(n.Text(), "%"); {
	case n.Kind() == yamltree.Int:
		d.Decode(n, &p.Count)
		if p.Count < 0 {
			d.Want(n, "0 or more", "")
		}
	case n.Kind() == yamltree.String && percent:
		count, err := strconv.ParseUint(digits, 10, 16)
		if err != nil {
			d.Want(n, wanted, "")
			return
		}
		*p = IntOrPercent{Count: int(count), Percent: true}
	default:
		fix := ""
		if _, err := strconv.Atoi(n.Text()); err == nil && n.Kind() == yamltree.String {
			fix = "write " + n.Text() + " without quotes"
		}
		d.Want(n, wanted, fix)
	}
}

// String returns 1 or 25%.
func (p IntOrPercent) String() string {
	if p.Percent {
		return strconv.Itoa(p.Count) + "%"
	}
	return strconv.Itoa(p.Count)
}

// Of returns the number for a count of replicas, rounded up or down.
func (p IntOrPercent) Of(replicas int, up bool) int {
	if !p.Percent {
		return p.Count
	}
	if up {
		return (p.Count*replicas + 99) / 100
	}
	return p.Count * replicas / 100
}
