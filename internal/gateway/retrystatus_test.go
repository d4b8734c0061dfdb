package gateway

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/afloat-dev/afloat/policy"
)

func TestListedStatusesAreRepeated(t *testing.T) {
	for _, test := range []struct {
		status, want int
		tries        int64
		retryOn      []RetryCondition
		statuses     []int
	}{
		{429, 200, 2, nil, []int{429}},
		{429, 429, 1, nil, nil},
		{500, 200, 2, []RetryCondition{}, []int{500}},
		{500, 500, 1, []RetryCondition{}, []int{502}},
	} {
		var asked atomic.Int64
		address := origin(t, func(w http.ResponseWriter, _ *http.Request) {
			if asked.Add(1) == 1 {
				w.WriteHeader(test.status)
			}
		})
		c := oneService(ServiceConfig{Endpoints: Addresses(address), RetryOn: test.retryOn, Retry: policy.RetryConfig{Attempts: 1}})
		c.Routes[0].RetryOnStatus = test.statuses
		g, url := start(t, c)
		if got, _ := get(t, url); got != test.want || asked.Load() != test.tries {
			t.Errorf("%d with %v: got %d after %d tries", test.status, test.statuses, got, asked.Load())
		}
		if test.status == 429 && stateOf(g, "web", address).Why != "" {
			t.Errorf("a 429 is held against its endpoint: %+v", stateOf(g, "web", address))
		}
	}
}

func TestListedStatusThatLastsIsPassedOn(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(409) })
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address), RetryOnStatus: []int{409}}))
	if got, _ := get(t, url); got != 409 {
		t.Errorf("got %d", got)
	}
}
