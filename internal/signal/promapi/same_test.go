package promapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/prometheustest"
	"github.com/afloat-dev/afloat/internal/signal/promapi"
	"github.com/afloat-dev/afloat/internal/signal/tsdb"
)

// TestAnswersAreThoseOfPrometheus sends all samples to a real Prometheus too,
// and then asks both the same.
func TestAnswersAreThoseOfPrometheus(t *testing.T) {
	real := prometheustest.New(t)
	s := newStore(t, func(o *tsdb.Options) {
		o.RemoteWrite = []tsdb.RemoteWriteConfig{{URL: real.URL + "/api/v1/write", NativeHistograms: true}}
	})
	gathered(t, s)
	real.Await(t, `min(count_over_time(afloat_requests_total[1m]))`, func(v float64) bool { return v > 30 })
	server := serve(t, s)
	at := time.Now().Add(-time.Second).Truncate(time.Second) // what is before has arrived
	real.Await(t, fmt.Sprintf(`timestamp(up) > bool %d`, at.Unix()), func(v float64) bool { return v == 1 })
	moment := url.Values{"time": {fmt.Sprint(at.Unix())}}
	span := url.Values{"start": {fmt.Sprint(at.Add(-time.Second).Unix())}, "end": {fmt.Sprint(at.Unix())}, "step": {"0.5"}}

	for _, query := range []string{
		`afloat_requests_total`, `sum by (route) (rate(afloat_requests_total[1s]))`, `1/0`, `-1/0`, `0/0`, `vector(1e-9) or vector(3e21)`, `"text"`,
		`histogram_sum(afloat_request_duration_seconds)`, `afloat_request_duration_seconds`, `afloat_request_duration_seconds_bucket`,
		`nothing`, `count(`, `sum(up) by`, `vector(1.5) > 1`, `label_replace(up, "a", "\u00fc\"<>", "", "")`, `time()`,
	} {
		same(t, server.URL, real.URL, "/query", with(moment, "query", query))
		if query != `"text"` {
			same(t, server.URL, real.URL, "/query_range", with(span, "query", query))
		}
	}
	same(t, server.URL, real.URL, "/query", with(moment, "query", `up`, "timeout", "x"))
	same(t, server.URL, real.URL, "/query", url.Values{"query": {"up"}, "time": {"yesterday"}})
	same(t, server.URL, real.URL, "/query", url.Values{"query": {"vector(1)"}, "time": {"2026-01-02T03:04:05.678Z"}})
	same(t, server.URL, real.URL, "/query_range", url.Values{"query": {"up"}})
	same(t, server.URL, real.URL, "/query_range", with(span, "query", "vector(1)", "step", "0"))
	same(t, server.URL, real.URL, "/query_range", url.Values{"query": {"vector(1)"}, "start": {"0"}, "end": {"100000"}, "step": {"1"}})
	same(t, server.URL, real.URL, "/query_range", url.Values{"query": {"vector(1)"}, "start": {"5"}, "end": {"4"}, "step": {"1"}})
	same(t, server.URL, real.URL, "/format_query", url.Values{"query": {`sum(rate(afloat_requests_total{route="a"}[5m]))by(route)/2`}})
	for _, match := range []string{`afloat_requests_total`, `{route=~"c.*"}`, `{route=~".*"}`, `{`, `{job="none"}`} {
		same(t, server.URL, real.URL, "/series", url.Values{"match[]": {match}})
		same(t, server.URL, real.URL, "/labels", url.Values{"match[]": {match, "up"}})
		same(t, server.URL, real.URL, "/label/route/values", url.Values{"match[]": {match}})
	}
	same(t, server.URL, real.URL, "/labels", nil)
	same(t, server.URL, real.URL, "/series", nil)
	same(t, server.URL, real.URL, "/label/__name__/values", nil)
	same(t, server.URL, real.URL, "/rules", nil)
	same(t, server.URL, real.URL, "/alerts", nil)
	same(t, server.URL, real.URL, "/alertmanagers", nil)
}

func with(base url.Values, more ...string) url.Values {
	form := maps.Clone(base)
	for i := 0; i < len(more); i += 2 {
		form[more[i]] = []string{more[i+1]}
	}
	return form
}

// same asks two servers the same, by POST where that may be, and compares their
// status and data, and of an error its kind.
func same(t *testing.T, ours, real, path string, form url.Values) {
	t.Helper()
	got, want := answer(t, ours+promapi.Prefix+path, form), answer(t, real+"/api/v1"+path, form)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s %s: Prometheus answers -, Afloat +:\n%s", path, form.Encode(), diff)
	}
}

type outcome struct {
	Status            int
	Result, ErrorType string
	Data              any
}

func answer(t *testing.T, address string, form url.Values) outcome {
	t.Helper()
	res, err := http.Get(address + "?" + form.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var body struct {
		Status, ErrorType string
		Data              any
	}
	if err := json.Unmarshal(text, &body); err != nil {
		t.Fatalf("%s: %v\n%s", address, err, text)
	}
	sortSeries(body.Data)
	return outcome{res.StatusCode, body.Status, body.ErrorType, body.Data}
}

// sortSeries puts what has no order into one.
func sortSeries(data any) {
	list, ok := data.([]any)
	if object, is := data.(map[string]any); is {
		list, ok = object["result"].([]any)
		if kind := object["resultType"]; kind == "scalar" || kind == "string" {
			return
		}
	}
	if ok {
		slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
}
