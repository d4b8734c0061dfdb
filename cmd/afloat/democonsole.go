package main

import (
	"net"
	"net/http"

	"github.com/afloat-dev/afloat/internal/console"
	"github.com/afloat-dev/afloat/internal/demo"
	"github.com/afloat-dev/afloat/internal/signal"
)

// demoConsole serves the console of a demo: at its usual address, or, where that
// is taken, at any other.
func demoConsole(shown demo.Shown) (url string, end func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:9900")
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "", nil, err
		}
	}
	source := signal.Source{
		Name: "afloat demo", Started: shown.Started, Status: shown.Gateway.Status, Replicas: shown.Supervisor.Status,
		Window: shown.Window, Events: shown.Events,
	}
	server := console.NewServer(console.Options{
		Status: func() console.Status {
			return statusOf(shown.Started, shown.Gateway, shown.Supervisor.Status(), shown.Window, shown.Events)
		},
		View:      source.View,
		Histories: shown.Window.Histories,
		Metrics:   http.NotFoundHandler(),
		Levers:    shown.Gateway,
	})
	go func() { _ = server.Serve(l) }() // ends when it is closed
	return "http://" + l.Addr().String() + "/", func() { _ = server.Close() }, nil
}
