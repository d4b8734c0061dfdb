package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/gateway"
)

func TestTheQuickstartLoadsWithoutAWord(t *testing.T) {
	a, problems := Load([]string{"../../examples/quickstart/afloat.yaml"}, Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if err := a.Runnable(); err != nil {
		t.Error(err)
	}
	want := []gateway.RouteConfig{{Name: "web", To: []gateway.DestinationConfig{{Service: "web"}}}}
	if diff := cmp.Diff(want, a.Gateway.Routes); diff != "" {
		t.Error(diff)
	}
	if len(a.Gateway.Services["web"].Endpoints) != 3 || a.Gateway.Listeners[0].Address != "127.0.0.1:8080" || a.Admin.Address != "127.0.0.1:9900" {
		t.Errorf("%+v", a.Gateway)
	}
}
