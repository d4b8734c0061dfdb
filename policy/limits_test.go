package policy

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wantFields fails unless err is a FieldError for each of these fields.
func wantFields(t *testing.T, err error, fields ...string) {
	t.Helper()
	var got []string
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			var field *FieldError
			if errors.As(e, &field) {
				got = append(got, field.Field)
			}
		}
	}
	if diff := cmp.Diff(fields, got); diff != "" {
		t.Errorf("fields of %v (-want +got):\n%s", err, diff)
	}
}

// TestNestedProblemsSayWhere they are, by dotted names.
func TestNestedProblemsSayWhere(t *testing.T) {
	_, err := NewKeyedBreaker(KeyedBreakerConfig{KeysMax: -1, Breaker: BreakerConfig{Probes: -1, RampUp: -1}})
	wantNested(t, err, "keysMax", "breaker.probes", "breaker.rampUp")
	_, err = FallbackWith(FallbackConfig{LastGood: &LastGoodConfig{AgeMax: -1}})
	wantNested(t, err, "lastGood.ageMax")
}

// wantNested is wantFields for problems that are joined within one another.
func wantNested(t *testing.T, err error, fields ...string) {
	t.Helper()
	var got []string
	var visit func(error)
	visit = func(err error) {
		switch e := err.(type) {
		case *FieldError:
			got = append(got, e.Field)
		case interface{ Unwrap() []error }:
			for _, one := range e.Unwrap() {
				visit(one)
			}
		}
	}
	visit(err)
	if diff := cmp.Diff(fields, got); diff != "" {
		t.Errorf("fields of %v (-want +got):\n%s", err, diff)
	}
}
