package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/afloat-dev/afloat/internal/grpchealth"
)

// checkGRPC asks for the health of a service, or of the server as a whole.
func (e *endpoint) checkGRPC(ctx context.Context, l line, c HealthConfig) error {
	req := &http.Request{
		Method: "POST",
		URL:    &url.URL{Path: grpchealth.Path},
		Header: http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}},
		Body:   io.NopCloser(bytes.NewReader(grpchealth.Request(*c.GRPC))),
	}
	res, err := e.askOnce(ctx, l, e.checkHost(c), req)
	if err != nil {
		return shortError(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 {
		return fmt.Errorf("%s answered %d", grpchealth.Path, res.StatusCode)
	}
	message, err := io.ReadAll(io.LimitReader(res.Body, grpchealth.AnswerMax))
	if err != nil {
		return shortError(err)
	}
	status := res.Trailer.Get("Grpc-Status")
	if status == "" {
		status = res.Header.Get("Grpc-Status")
	}
	if code := parseGRPC([]byte(status)); code != grpcOK {
		return fmt.Errorf("%s answered %v", grpchealth.Path, code)
	}
	return grpchealth.Answer(message)
}
