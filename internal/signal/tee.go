package signal

import (
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/policy"
)

// Tee returns an observer that tells each of the given ones, in their order.
// Nil observers are left out.
func Tee(observers ...gateway.Observer) gateway.Observer {
	var t tee
	for _, o := range observers {
		if o != nil {
			t = append(t, o)
		}
	}
	return t
}

type tee []gateway.Observer

// Route returns what tells all that do not ignore requests.
func (t tee) Route(route, service string) gateway.RequestObserver {
	var all requestTee
	for _, o := range t {
		if request := o.Route(route, service); request != (ignoredRequests{}) {
			all = append(all, request)
		}
	}
	return all
}

// Endpoint returns what tells all that do not ignore tries.
func (t tee) Endpoint(service, endpoint string) gateway.TryObserver {
	var all tryTee
	for _, o := range t {
		if try := o.Endpoint(service, endpoint); try != (ignoredTries{}) {
			all = append(all, try)
		}
	}
	return all
}

// Event tells all.
func (t tee) Event(e gateway.Event) {
	for _, o := range t {
		o.Event(e)
	}
}

type requestTee []gateway.RequestObserver

func (t requestTee) Request(r *gateway.Record) {
	for _, o := range t {
		o.Request(r)
	}
}

type tryTee []gateway.TryObserver

func (t tryTee) Try(class policy.Class, took time.Duration) {
	for _, o := range t {
		o.Try(class, took)
	}
}
