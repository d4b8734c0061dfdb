package alert

import (
	"net/url"
	"reflect"
	"slices"
	"testing"
)

// TestRedactorReadsWhatItMay has an address where it may be read, and one that a
// library keeps to itself.
func TestRedactorReadsWhatItMay(t *testing.T) {
	seen := url.URL{Scheme: "https", Host: "hook.example", Path: "/hunter2"}
	c := new(redactor)
	c.collect(reflect.ValueOf(struct {
		At   url.URL
		kept struct{ at url.URL }
	}{At: seen}), secretsDepth)
	if !slices.Contains(c.secrets, "/hunter2") {
		t.Errorf("got %q", c.secrets)
	}
}
