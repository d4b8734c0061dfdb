package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/console"
	"github.com/afloat-dev/afloat/internal/gateway"
)

func TestShortTakesTheUnitThatFits(t *testing.T) {
	for seconds, want := range map[float64]string{
		0: "0s", 0.04: "0s", 0.26: "300ms", 9.96: "10s", 59.94: "59.9s", 59.96: "1m0s", 61.4: "1m1s",
		3599.4: "59m59s", 3600: "1h0m", 5430: "1h31m", 90000: "25h0m",
	} {
		if got := short(seconds); got != want {
			t.Errorf("%v s: got %s, want %s", seconds, got, want)
		}
	}
}

func TestMillisKeepsTwoDigits(t *testing.T) {
	for seconds, want := range map[float64]string{
		0: "-", 0.000012: "0.012ms", 0.0014: "1.4ms", 0.00994: "9.9ms", 0.0123: "12ms", 0.25: "250ms", 1: "1s", 2.46: "2.5s", 12.5: "12.5s", 150: "2m30s",
	} {
		if got := millis(seconds); got != want {
			t.Errorf("%v s: got %s, want %s", seconds, got, want)
		}
	}
}

func TestWithoutEndpointListsWhatCannotServe(t *testing.T) {
	service := func(name string, states ...string) gateway.ServiceStatus {
		s := gateway.ServiceStatus{Name: name}
		for _, state := range states {
			s.Endpoints = append(s.Endpoints, gateway.EndpointStatus{State: state})
		}
		return s
	}
	st := &console.Status{Gateway: gateway.Status{Services: []gateway.ServiceStatus{
		service("none"),
		service("well", "up", "up"),
		service("half", "down", "up"),
		service("probed", "ejected", "probing"),
		service("dead", "down", "ejected"),
		service("leaving", "draining"),
	}}}
	if diff := cmp.Diff([]string{"none", "dead", "leaving"}, withoutEndpoint(st)); diff != "" {
		t.Error(diff)
	}
	if got := withoutEndpoint(new(console.Status)); got != nil {
		t.Errorf("without services: %v", got)
	}
}
