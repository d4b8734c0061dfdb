package promapi_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestPromtoolWorks runs the real promtool against the API.
func TestPromtoolWorks(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is missing: install prometheus")
	}
	s := newStore(t, nil)
	gathered(t, s)
	at := serve(t, s).URL + "/prometheus"
	now := time.Now().Add(time.Second)
	start, end := fmt.Sprint("--start=", now.Add(-time.Minute).Unix()), fmt.Sprint("--end=", now.Unix())
	for _, test := range []struct {
		name string
		args []string
		want []string
	}{
		{"instant", []string{"query", "instant", at, `sum by (route) (afloat_requests_total)`}, []string{`{route="cart"} => 3`, `{route="pay"} => 4`}},
		{"range", []string{"query", "range", start, end, "--step=1s", at, `afloat_requests_total{route="pay"}`}, []string{`afloat_requests_total{instance="here", job="afloat", route="pay"}`, "4 @"}},
		{"series", []string{"query", "series", start, end, `--match=afloat_requests_total`, at}, []string{`route="cart"`, `route="pay"`}},
		{"labels", []string{"query", "labels", start, end, at, "route"}, []string{"cart", "pay"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), promtool, test.args...).CombinedOutput()
			if err != nil {
				t.Fatalf("promtool %s: %v\n%s", strings.Join(test.args, " "), err, out)
			}
			for _, want := range test.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("promtool %s: got\n%s\nwant %s", strings.Join(test.args, " "), out, want)
				}
			}
		})
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "query", "instant", at, "sum(").CombinedOutput(); err == nil {
		t.Errorf("a wrong query: promtool is content:\n%s", out)
	}
}
