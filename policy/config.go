package policy

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// A FieldError is a Config field that cannot be used as it is set.
type FieldError struct {
	// Field is the field's name in YAML, dotted where it is nested.
	Field string
	// Problem says what is wrong and what to write instead.
	Problem string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// within makes the problems of a nested Config those of the field.
func within(field string, err error) error {
	switch e := err.(type) {
	case nil:
		return nil
	case *FieldError:
		return &FieldError{Field: field + "." + e.Field, Problem: e.Problem}
	case interface{ Unwrap() []error }:
		var all []error
		for _, one := range e.Unwrap() {
			all = append(all, within(field, one))
		}
		return errors.Join(all...)
	}
	return err
}

// problems collects every FieldError of a Config, so that all are told at once.
type problems []error

func (p *problems) add(field, format string, args ...any) {
	*p = append(*p, &FieldError{field, fmt.Sprintf(format, args...)})
}

// unless adds a problem when ok is false.
func (p *problems) unless(ok bool, field, format string, args ...any) {
	if !ok {
		p.add(field, format, args...)
	}
}

func (p problems) join() error { return errors.Join(p...) }

// durationMax bounds every duration of a Config, so that sums and doublings of
// them stay far from overflow.
const durationMax = 24 * time.Hour

// usableDuration reports whether a duration is zero or one that can be waited.
func usableDuration(d time.Duration) bool { return d >= 0 && d <= durationMax }

// usableWindow reports whether a counting window is zero, for its default, or
// of a length whose tenths a clock can tell apart.
func usableWindow(d time.Duration) bool {
	return d == 0 || d >= 10*time.Millisecond && d <= time.Hour
}

// setDefault gives a zero field its default.
func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// oneOf reports whether a field is empty or one of the words.
func oneOf[T ~string](field T, words []string) bool {
	return field == "" || slices.Contains(words, string(field))
}
