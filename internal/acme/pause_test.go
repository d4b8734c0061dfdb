package acme

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/afloat-dev/afloat/internal/gateway"
)

func TestPausesGrowWithFailures(t *testing.T) {
	refused := fmt.Errorf("http-01: %w", &acme.AuthorizationError{})
	away := fmt.Errorf("order: %w", &url.Error{Op: "Post", URL: "https://ca.example", Err: errors.New("no route to host")})
	limited := fmt.Errorf("order: %w", &acme.Error{
		StatusCode: 429, ProblemType: "urn:ietf:params:acme:error:rateLimited", Header: http.Header{"Retry-After": {"86400"}},
	})
	for _, c := range []struct {
		what  string
		fails []error
		want  []time.Duration
	}{
		{"refused", []error{refused, refused, refused}, []time.Duration{2 * time.Minute, 4 * time.Minute, 8 * time.Minute}},
		{"away", []error{away, away, away}, []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second}},
		{"limited", []error{limited}, []time.Duration{24 * time.Hour}},
		{"away between refusals", []error{refused, away, refused}, []time.Duration{2 * time.Minute, 5 * time.Second, 4 * time.Minute}},
	} {
		synctest.Test(t, func(t *testing.T) {
			want := gateway.Issuance{Host: "shop.example", File: "none.pem"}
			i := New(Options{Wanted: func() []gateway.Issuance { return []gateway.Issuance{want} }})
			for n, failure := range c.fails {
				if got := len(i.begin()); got != 1 || len(i.begin()) != 0 {
					t.Fatalf("%s: %d orders begin, or one twice", c.what, got)
				}
				if got := i.end(want, failure); got != c.want[n] {
					t.Errorf("%s: pause %d is %v", c.what, n, got)
				}
				time.Sleep(c.want[n] - 1)
				if len(i.begin()) != 0 {
					t.Errorf("%s: it is tried before its time", c.what)
				}
				time.Sleep(1)
			}
		})
	}
}

func TestPausesHaveALongest(t *testing.T) {
	want := gateway.Issuance{Host: "shop.example", File: "none.pem"}
	for failure, longest := range map[error]time.Duration{errors.New("refused"): pauseMax, &url.Error{Err: errors.New("away")}: pauseMin} {
		i := New(Options{Wanted: func() []gateway.Issuance { return []gateway.Issuance{want} }})
		i.begin()
		var got time.Duration
		for range 100 {
			got = i.end(want, failure)
		}
		if got != longest {
			t.Errorf("%v: got %v", failure, got)
		}
	}
}

// TestFewOrdersAtOnce: the rest waits its turn, and what is wanted no more is
// forgotten.
func TestFewOrdersAtOnce(t *testing.T) {
	var wanted []gateway.Issuance
	for n := range 10 {
		wanted = append(wanted, gateway.Issuance{File: fmt.Sprintf("none-%d.pem", n)})
	}
	i := New(Options{Wanted: func() []gateway.Issuance { return wanted }})
	first := i.begin()
	if len(first) != ordersMax || len(i.begin()) != 0 {
		t.Fatalf("got %d", len(first))
	}
	for _, one := range first {
		i.end(one, errors.New("refused"))
	}
	if second := i.begin(); len(second) != ordersMax || second[0] == first[0] {
		t.Errorf("got %v", second)
	}
	wanted = nil
	if i.begin(); len(i.states) != 0 {
		t.Errorf("remembered: %v", i.states)
	}
}
