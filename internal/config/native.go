package config

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
	"github.com/afloat-dev/afloat/internal/gateway"
)

// merge adds an afloat.yaml to those before it: listeners, services and routes
// are joined, and what can be there once may be said once.
func (a *assembler) merge(n native) {
	at := place{doc: n.doc}
	if n.file.Listen != "" {
		a.addListener(gateway.ListenerConfig{Address: string(n.file.Listen)}, at.at("listen"))
		a.places.set(at.at("listen"), "listeners", len(a.out.Gateway.Listeners)-1, "address")
	}
	for i, l := range n.file.Listeners {
		a.addListener(l, at.at("listeners", i))
	}
	for _, name := range slices.Sorted(maps.Keys(n.file.Services)) {
		a.addService(name, n.file.Services[name], at.at("services", name))
	}
	for i, r := range n.file.Routes {
		a.addRoute(r, at.at("routes", i))
	}
	a.once(at.at("admin"), n.file.Admin != AdminConfig{}, func() { a.out.Admin = n.file.Admin })
	a.once(at.at("accessLog"), n.file.AccessLog != AccessLogConfig{}, func() { a.out.AccessLog = n.file.AccessLog })
	a.once(at.at("log"), n.file.Log != LogConfig{}, func() { a.out.Log = n.file.Log })
}

// once takes over a part of which an assembly has one.
func (a *assembler) once(at place, said bool, take func()) {
	if !said {
		return
	}
	part := at.path[0]
	if first, ok := a.places[part]; ok {
		a.report(at.problem("is said before, at "+where(first), "keep one of them"))
		return
	}
	a.places.set(at, part)
	take()
}

func (a *assembler) addListener(l gateway.ListenerConfig, at place) {
	a.places.set(at, "listeners", len(a.out.Gateway.Listeners))
	a.out.Gateway.Listeners = append(a.out.Gateway.Listeners, l)
}

func (a *assembler) addRoute(r gateway.RouteConfig, at place) {
	a.places.set(at, "routes", len(a.out.Gateway.Routes))
	a.out.Gateway.Routes = append(a.out.Gateway.Routes, r)
}

func (a *assembler) addService(name string, s Service, at place) {
	if first, ok := a.places.find([]string{"services", name}); ok {
		a.report(at.problem("the service stands twice, first at "+where(first), "keep one of them, or give one another name"))
		return
	}
	a.places.set(at, "services", name)
	a.out.Gateway.Services[name] = s.ServiceConfig
	if s.Process == nil {
		return
	}
	process := *s.Process
	process.Name = name
	process.Serves = true
	a.places.set(at.at("process"), "processes", name)
	a.places.set(at, "processes", name, "name")
	a.out.Processes = append(a.out.Processes, process)
}

// fillIn gives the assembly what is left open.
func (a *assembler) fillIn() {
	out := a.out
	if a.options.Listen != "" {
		out.Gateway.Listeners = slices.Clone(out.Gateway.Listeners[:min(1, len(out.Gateway.Listeners))])
		if len(out.Gateway.Listeners) == 0 {
			out.Gateway.Listeners = []gateway.ListenerConfig{{}}
		}
		out.Gateway.Listeners[0].Address = a.options.Listen
	}
	if len(out.Gateway.Listeners) == 0 {
		out.Gateway.Listeners = []gateway.ListenerConfig{{Address: "127.0.0.1:8080"}}
	}
	if len(out.Gateway.Routes) == 0 && len(out.Gateway.Services) == 1 {
		for name := range out.Gateway.Services {
			out.Gateway.Routes = []gateway.RouteConfig{{Name: name, To: []gateway.DestinationConfig{{Service: name}}}}
			if at, ok := a.places.find([]string{"services", name}); ok {
				a.places.set(at, "routes", 0)
			}
		}
	}
	out.Admin.Address = cmp.Or(out.Admin.Address, "127.0.0.1:9900")
	out.AccessLog.Sample = cmp.Or(out.AccessLog.Sample, 1)
	out.Log.Level = cmp.Or(out.Log.Level, "info")
	out.Log.Format = cmp.Or(out.Log.Format, "text")
	slices.SortFunc(out.Processes, func(x, y process) int { return cmp.Compare(x.Name, y.Name) })
}

// where names a place in words: file:line.
func where(p place) string {
	problem := p.problem("", "")
	return fmt.Sprintf("%s:%d", problem.File, problem.Line)
}

// loopback tells whether an address to listen on is on this machine alone.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// unknownName says which of the known names a wrong one may have meant.
func unknownName(name string, known []string) string {
	if near := yamltree.Suggest(name, known); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}
