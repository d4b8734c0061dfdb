package yamltree

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

var durationType = reflect.TypeFor[time.Duration]()

// scalar decodes text into a string, a bool, a number or a duration.
func (d *Decoder) scalar(n *Node, v reflect.Value, b bounds) {
	if v.Type() == durationType {
		d.duration(n, v, b)
		return
	}
	switch kind := v.Kind(); {
	case kind == reflect.String:
		d.string(n, v)
	case kind == reflect.Bool:
		d.bool(n, v)
	case v.CanInt():
		d.int(n, v, b)
	case v.CanUint():
		d.uint(n, v, b)
	case v.CanFloat():
		d.float(n, v, b)
	case kind == reflect.Interface && v.NumMethod() == 0:
		v.Set(reflect.ValueOf(n.plain()))
	default:
		panic("yamltree: cannot decode into " + v.Type().String())
	}
}

func (d *Decoder) string(n *Node, v reflect.Value) {
	if own, ok := v.Interface().(Enumerated); ok && n.kind != String && n.kind.Scalar() && !n.substituted {
		d.Want(n, oneOf(own.Enum()), "")
		return
	}
	if n.kind != String && !(n.substituted && n.kind.Scalar()) {
		fix := ""
		if n.kind.Scalar() {
			fix = "write " + quote(n.text) + " in quotes"
		}
		d.Want(n, "a string", fix)
		return
	}
	if own, ok := v.Interface().(Enumerated); ok && !slices.Contains(own.Enum(), n.text) {
		fix := ""
		if near := Suggest(n.text, own.Enum()); near != "" {
			fix = "did you mean " + near + "?"
		}
		d.Want(n, oneOf(own.Enum()), fix)
		return
	}
	v.SetString(n.text)
}

func (d *Decoder) bool(n *Node, v reflect.Value) {
	if n.kind == Bool {
		v.SetBool(strings.EqualFold(n.text, "true"))
		return
	}
	fix := ""
	switch strings.ToLower(n.text) {
	case "yes", "on", "y", "true":
		fix = "write true"
	case "no", "off", "n", "false":
		fix = "write false"
	}
	d.Want(n, "true or false", fix)
}

func (d *Decoder) int(n *Node, v reflect.Value, b bounds) {
	text, ok := d.whole(n)
	if !ok {
		return
	}
	i, err := strconv.ParseInt(text, 0, v.Type().Bits())
	if err != nil {
		limit := int64(1)<<(v.Type().Bits()-1) - 1
		d.Want(n, fmt.Sprintf("a whole number from %d to %d", -limit-1, limit), "")
		return
	}
	if !d.within(n, float64(i), b) {
		return
	}
	v.SetInt(i)
}

func (d *Decoder) uint(n *Node, v reflect.Value, b bounds) {
	text, ok := d.whole(n)
	if !ok {
		return
	}
	u, err := strconv.ParseUint(strings.TrimPrefix(text, "+"), 0, v.Type().Bits())
	if err != nil {
		d.Want(n, fmt.Sprintf("a whole number from 0 to %d", uint64(math.MaxUint64)>>(64-v.Type().Bits())), "")
		return
	}
	if !d.within(n, float64(u), b) {
		return
	}
	v.SetUint(u)
}

// whole returns the text of a whole number for strconv. 1e3 and 2.0 are whole.
func (d *Decoder) whole(n *Node) (string, bool) {
	digits := strings.TrimLeft(n.text, "+-")
	switch {
	case n.kind == Int && len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9':
		// YAML 1.1 reads 010 as eight, YAML 1.2 as ten.
		d.Want(n, "a whole number without leading zeros", "")
		return "", false
	case n.kind == Int:
		return n.text, true
	case n.kind == Float:
		f, err := strconv.ParseFloat(n.text, 64)
		if err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return strconv.FormatInt(int64(f), 10), true
		}
	}
	d.Want(n, "a whole number", unquoteFix(n, Int))
	return "", false
}

func (d *Decoder) float(n *Node, v reflect.Value, b bounds) {
	f, err := strconv.ParseFloat(n.text, v.Type().Bits())
	if (n.kind != Int && n.kind != Float) || err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		d.Want(n, "a number", unquoteFix(n, Float))
		return
	}
	if d.within(n, f, b) {
		v.SetFloat(f)
	}
}

func (d *Decoder) duration(n *Node, v reflect.Value, b bounds) {
	const wanted = "a duration such as 500ms"
	var t time.Duration
	switch n.kind {
	case Int, Float:
		if f, err := strconv.ParseFloat(n.text, 64); err != nil || f != 0 {
			d.Want(n, wanted, "write "+clip(n.text)+"s")
			return
		}
	case String:
		var err error
		if t, err = time.ParseDuration(n.text); err != nil {
			d.Want(n, wanted, durationFix(n.text))
			return
		}
	default:
		d.Want(n, wanted, "")
		return
	}
	switch {
	case b.min == "" && t < 0:
		d.Want(n, "a duration of 0 or more", "")
	case b.min != "" && t < mustDuration(b.min):
		d.Want(n, "a duration of "+b.min+" or more", "")
	case b.max != "" && t > mustDuration(b.max):
		d.Want(n, "a duration of "+b.max+" or less", "")
	default:
		v.SetInt(int64(t))
	}
}

func durationFix(text string) string {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 10_000 {
			return fmt.Sprintf("write %dh", 24*n)
		}
	}
	return "write a number and a unit: ms, s, m or h"
}

// within reports a number outside the bounds.
func (d *Decoder) within(n *Node, f float64, b bounds) bool {
	if b.min != "" && f < mustFloat(b.min) {
		d.Want(n, b.min+" or more", "")
		return false
	}
	if b.max != "" && f > mustFloat(b.max) {
		d.Want(n, b.max+" or less", "")
		return false
	}
	return true
}

// plain returns the value as encoding/json would, for fields of type any.
func (n *Node) plain() any {
	switch n.kind {
	case Bool:
		return strings.EqualFold(n.text, "true")
	case Int, Float:
		if i, err := strconv.ParseInt(n.text, 0, 64); err == nil {
			return float64(i)
		}
		f, _ := strconv.ParseFloat(n.text, 64)
		return f
	case Map:
		out := make(map[string]any, len(n.entries))
		for _, e := range n.entries {
			out[e.key] = e.plain()
		}
		return out
	case List:
		out := make([]any, len(n.entries))
		for i, e := range n.entries {
			out[i] = e.plain()
		}
		return out
	case Null:
		return nil
	}
	return n.text
}

// unquoteFix is the mend for a number in quotes.
func unquoteFix(n *Node, wanted Kind) string {
	got := kindOf(n.text)
	if n.kind == String && !n.substituted && (got == Int || got == wanted) {
		return "write " + clip(n.text) + " without quotes"
	}
	return ""
}

// oneOf lists words: "a, b or c".
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

func mustDuration(tag string) time.Duration {
	t, err := time.ParseDuration(tag)
	if err != nil {
		panic("yamltree: bad bound " + tag)
	}
	return t
}

func mustFloat(tag string) float64 {
	f, err := strconv.ParseFloat(tag, 64)
	if err != nil {
		panic("yamltree: bad bound " + tag)
	}
	return f
}
