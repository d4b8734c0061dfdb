// Package secret holds what must not be seen.
package secret

import "log/slog"

// Text is neither logged nor printed. A conversion to string shows it.
type Text string

// Hidden stands in place of a secret.
const Hidden = "[secret]"

// UnmarshalText takes any text.
func (t *Text) UnmarshalText(text []byte) error {
	*t = Text(text)
	return nil
}

// String returns a placeholder.
func (Text) String() string { return Hidden }

// GoString returns a placeholder.
func (Text) GoString() string { return Hidden }

// LogValue returns a placeholder.
func (Text) LogValue() slog.Value { return slog.StringValue(Hidden) }

// MarshalText returns a placeholder.
func (Text) MarshalText() ([]byte, error) { return []byte(Hidden), nil }
