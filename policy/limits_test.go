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
