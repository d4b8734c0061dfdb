// Package otlptest takes traces over OTLP for tests.
package otlptest

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// NewCollector runs a collector over HTTP until the test ends. It answers with
// the status that take returns for the spans of each resource's export.
func NewCollector(t testing.TB, take func(*http.Request, []*trace.ResourceSpans) (status int)) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			unpacked, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			body = unpacked
		}
		text, err := io.ReadAll(body)
		if err != nil {
			return // the program that sends it was ended
		}
		var request collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(text, &request); err != nil {
			t.Error(err)
		}
		w.WriteHeader(take(r, request.ResourceSpans))
	}))
	t.Cleanup(s.Close)
	return s
}
