package capacity_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/afloat-dev/afloat/internal/capacity"
)

func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
	}))
	defer server.Close()

	rec := capacity.NewRecorder()
	generator, err := capacity.NewGenerator(capacity.Load{
		Targets: []string{server.URL},
		Rate:    100,
		Timeout: 10 * time.Second,
	}, rec)
	if err != nil {
		fmt.Println(err)
		return
	}
	calm := rec.Phase("calm")
	time.AfterFunc(500*time.Millisecond, generator.Stop)
	if err := generator.Serve(context.Background()); err != nil {
		fmt.Println(err)
	}
	calm.End()
	s := calm.Stats()
	fmt.Println("requests:", s.Requests > 0, "failed:", s.FailureShare())
	// Output: requests: true failed: 0
}
