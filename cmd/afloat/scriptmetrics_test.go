package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/rogpeppe/go-internal/testscript"
)

// cmdHistograms reads metrics as protobuf, the only form that carries native
// histograms, and prints those that have them with how much they count.
func cmdHistograms(ts *testscript.TestScript, neg bool, args []string) {
	a := newAsked("histograms")
	want(ts, !neg && len(a.parse(ts, args)) == 0, "histograms [-bearer TOKEN] URL")
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, a.url, nil)
	ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+a.token)
	format := expfmt.NewFormat(expfmt.TypeProtoDelim)
	req.Header.Set("Accept", string(format))
	res, err := newClient(1, false).Do(req)
	ts.Check(err)
	defer res.Body.Close()
	decoder := expfmt.NewDecoder(io.LimitReader(res.Body, bodyMax), expfmt.ResponseFormat(res.Header))
	for {
		var family dto.MetricFamily
		if err := decoder.Decode(&family); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			ts.Fatalf("%v", err)
		}
		count, native := uint64(0), false
		for _, m := range family.GetMetric() {
			count += m.GetHistogram().GetSampleCount()
			native = native || len(m.GetHistogram().GetPositiveSpan()) > 0
		}
		if native {
			fmt.Fprintf(ts.Stdout(), "%s native %d\n", family.GetName(), count)
		}
	}
}
