package supervise

import (
	"fmt"
	"strconv"
	"strings"
)

// IntOrPercent is a count such as "1" or a share such as "25%". Empty means the default of its field. In YAML it may
// be written as a number or a string.
type IntOrPercent string

// UnmarshalYAML reads a number or a string. What the string means is left to Validate, which knows the field's name.
func (v *IntOrPercent) UnmarshalYAML(unmarshal func(any) error) error {
	var raw any
	if err := unmarshal(&raw); err != nil {
		return err
	}
	switch raw := raw.(type) {
	case string, int, int64, uint64:
		*v = IntOrPercent(fmt.Sprint(raw))
		return nil
	}
	return fmt.Errorf("want a number such as 1 or a percentage such as 25%%, got %v", raw)
}

// Of is the count that v means out of total, a share rounded up or down. It returns an error when v is neither a count
// from 0 nor a percentage from 0% to 100%.
func (v IntOrPercent) Of(total int, roundUp bool) (int, error) {
	text, percent := strings.CutSuffix(string(v), "%")
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || strings.HasPrefix(text, "+") || percent && n > 100 {
		return 0, fmt.Errorf("%q is neither a count such as 1 nor a percentage from 0%% to 100%%", string(v))
	}
	if !percent {
		return n, nil
	}
	if roundUp {
		return (total*n + 99) / 100, nil
	}
	return total * n / 100, nil
}

// Bounds are the counts that the rolling config means for a number of replicas. Values must have been validated.
func (c RollingConfig) Bounds(replicas int) (unavailable, surge int) {
	unavailable, _ = c.MaxUnavailable.Of(replicas, false)
	surge, _ = c.MaxSurge.Of(replicas, true)
	if unavailable == 0 && surge == 0 {
		unavailable = 1
	}
	return min(unavailable, replicas), surge
}
