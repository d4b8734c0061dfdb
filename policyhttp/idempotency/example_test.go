package idempotency_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/afloat-dev/afloat/policyhttp/idempotency"
)

// A payment that a client asks for twice is made once.
func ExampleHandler() {
	payments := 0
	pay := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		payments++
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, "payment %d", payments)
	})
	store, err := idempotency.NewMemory(idempotency.MemoryConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler, err := idempotency.NewHandler(pay, idempotency.Config{
		Store:    store,
		Required: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(handler)
	defer server.Close()

	post := func(key, body string) {
		request, err := http.NewRequest("POST", server.URL, strings.NewReader(body))
		if err != nil {
			fmt.Println(err)
			return
		}
		if key != "" {
			request.Header.Set(idempotency.Header, key)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			fmt.Println(err)
			return
		}
		text, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		fmt.Printf("%d %s %q\n", response.StatusCode, strings.TrimSpace(string(text)), response.Header.Get(idempotency.ReplayedHeader))
	}
	post(`"k1"`, "10")
	post(`"k1"`, "10")
	post(`"k1"`, "99")
	post("", "10")
	// Output:
	// 201 payment 1 ""
	// 201 payment 1 "true"
	// 422 {"type":"about:blank","title":"Unprocessable Entity","status":422,"detail":"Another request has had this Idempotency-Key: its method, host, path, content type or body differed."} ""
	// 400 {"type":"about:blank","title":"Bad Request","status":400,"detail":"This request needs an Idempotency-Key."} ""
}
