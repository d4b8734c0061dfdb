package policyhttp

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/afloat-dev/afloat/policy"
)

func TestHandlerTakesOnlyWhatItMayOfAPriority(t *testing.T) {
	const critical, normal, low, sheddable = policy.PriorityCritical, policy.PriorityNormal, policy.PriorityLow, policy.PrioritySheddable
	for _, c := range []struct {
		header  string
		has     policy.Priority // given by something around the Handler
		trusted bool
		want    policy.Priority
	}{
		{"", normal, false, normal},
		{"critical", normal, false, normal},
		{"critical", normal, true, critical},
		{"low", normal, false, low},
		{"sheddable", normal, false, sheddable},
		{"normal", low, false, low},
		{"normal", low, true, normal},
		{"sheddable", critical, false, sheddable},
		{"normal", critical, false, normal},
		{"urgent", critical, false, critical},
		{"urgent", low, true, low},
		{"", critical, true, critical},
	} {
		var got policy.Priority
		h := mustHandler(t, func(_ http.ResponseWriter, r *http.Request) { got = policy.PriorityOf(r.Context()) }, HandlerConfig{TrustPriority: c.trusted})
		r := httptest.NewRequest("GET", "/", nil)
		if c.has != normal {
			r = r.WithContext(policy.WithPriority(r.Context(), c.has))
		}
		if c.header != "" {
			r.Header.Set(PriorityHeader, c.header)
		}
		if h.ServeHTTP(httptest.NewRecorder(), r); got != c.want {
			t.Errorf("%q over %s, trusted %v: got %s, want %s", c.header, c.has, c.trusted, got, c.want)
		}
	}
	for _, c := range []HandlerConfig{{PriorityHeader: NoHeader}, {PriorityHeader: "X-Other"}} {
		h := mustHandler(t, func(_ http.ResponseWriter, r *http.Request) {
			if p := policy.PriorityOf(r.Context()); p != normal {
				t.Errorf("%+v: got %s", c, p)
			}
		}, c)
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set(PriorityHeader, "low")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}

func TestTransportSendsThePriority(t *testing.T) {
	for _, c := range []struct {
		priority policy.Priority
		name     string
		want     string
	}{
		{"", "", ""},
		{policy.PriorityNormal, "", ""},
		{policy.PriorityCritical, "", "critical"},
		{policy.PrioritySheddable, "", "sheddable"},
		{"un\r\nknown", "", ""},
		{policy.PriorityLow, NoHeader, ""},
	} {
		s := &story{statuses: []int{500, 200}}
		transport := mustTransport(t, TransportConfig{Base: serve(t, s), Policies: []policy.Policy{patient()}, PriorityHeader: c.name})
		ctx := t.Context()
		if c.priority != "" {
			ctx = policy.WithPriority(ctx, c.priority)
		}
		if status, _, err := get(t, transport, newRequest(t, ctx, "GET", nil)); status != 200 {
			t.Fatal(status, err)
		}
		for _, header := range s.headers { // of each try
			if got := header.Get(PriorityHeader); got != c.want {
				t.Errorf("%q: sent %q, want %q", c.priority, got, c.want)
			}
		}
	}
}

// TestClaimedPriorityGoesNoFurther: a proxy hands on all headers, and the
// service behind it trusts the proxy.
func TestClaimedPriorityGoesNoFurther(t *testing.T) {
	for claimed, want := range map[string]string{"critical": "", "low": "low", "urgent": ""} {
		s := &story{statuses: []int{200}}
		transport := mustTransport(t, TransportConfig{Base: serve(t, s)})
		proxy := mustHandler(t, func(_ http.ResponseWriter, r *http.Request) {
			onward := newRequest(t, r.Context(), "GET", nil)
			onward.Header = r.Header
			if _, _, err := get(t, transport, onward); err != nil {
				t.Error(err)
			}
			if r.Header.Get(PriorityHeader) != claimed {
				t.Error("the caller's header was changed")
			}
		}, HandlerConfig{})
		r := httptest.NewRequestWithContext(context.Background(), "GET", "/", nil)
		r.Header.Set(PriorityHeader, claimed)
		proxy.ServeHTTP(httptest.NewRecorder(), r)
		if got := s.headers[0].Get(PriorityHeader); got != want {
			t.Errorf("claimed %q: sent %q, want %q", claimed, got, want)
		}
	}
}
