package demo

import (
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
)

func TestDetectorWaitsForTheFaultyReplica(t *testing.T) {
	began := time.Now()
	victim := replica{ID: 2, Addr: "127.0.0.1:2"}
	at := func(d time.Duration) time.Time { return began.Add(d) }
	var d detector
	ejected := gateway.Event{Time: at(time.Second), Kind: gateway.EventEjected, Endpoint: victim.Addr, Why: "it is slow"}
	d.Event(ejected)
	if d.disarm() != nil {
		t.Fatal("detected something before there was a fault")
	}

	d.arm(began, victim)
	d.Event(gateway.Event{Time: at(1), Kind: gateway.EventEjected, Endpoint: "127.0.0.1:1"})
	d.Event(gateway.Event{Time: at(1), Kind: gateway.EventUp, Endpoint: victim.Addr})
	d.Event(gateway.Event{Time: at(1), Kind: gateway.EventBreaker, To: "closed", Endpoint: victim.Addr})
	d.Supervised(supervise.Event{Time: at(1), Kind: supervise.EventExited, Service: shop, Replica: 1})
	d.Supervised(supervise.Event{Time: at(1), Kind: supervise.EventExited, Service: unprotected, Replica: 2})
	d.Supervised(supervise.Event{Time: at(1), Kind: supervise.EventReady, Service: shop, Replica: 2})
	d.Route("r", shop).Request(&gateway.Record{Start: at(1), Reason: gateway.ReasonOverloaded})
	if found := d.detection(); found != nil {
		t.Fatalf("detected by %q", found.By)
	}
	d.Event(ejected)
	d.Supervised(supervise.Event{Time: at(2 * time.Second), Kind: supervise.EventStopping, Service: shop, Replica: 2})
	if found := d.disarm(); found == nil || found.After != time.Second || found.By != "gateway: ejected: it is slow" {
		t.Fatalf("found %+v", found)
	}
}

func TestDetectorSeesOverload(t *testing.T) {
	began := time.Now()
	var d detector
	d.arm(began, replica{})
	request := d.Route("r", shop)
	request.Request(&gateway.Record{Start: began, Status: 200})
	d.Event(gateway.Event{Time: began, Kind: gateway.EventEjected, Endpoint: "127.0.0.1:1"})
	if d.detection() != nil {
		t.Fatal("an answered request is no overload")
	}
	request.Request(&gateway.Record{Start: began, Duration: time.Millisecond, Reason: gateway.ReasonOverloaded})
	if found := d.detection(); found == nil || found.After != time.Millisecond {
		t.Fatalf("found %+v", found)
	}
}
