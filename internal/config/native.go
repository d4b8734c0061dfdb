package config

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"reflect"
	"slices"
	"time"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// merge adds an afloat.yaml to those before it: listeners, services and routes
// are joined, and what can be there once may be said once.
func (a *assembler) merge(n native) {
	at := place{doc: n.doc}
	if n.file.Listen != "" {
		a.addListener(gateway.ListenerConfig{Address: string(n.file.Listen), TLS: n.file.TLS, HTTP3: n.file.HTTP3}, at.at("listen"))
		last := len(a.out.Gateway.Listeners) - 1
		a.places.set(at.at("listen"), "listeners", last, "address")
		a.places.set(at.at("tls"), "listeners", last, "tls")
		a.places.set(at.at("http3"), "listeners", last, "http3")
	} else {
		for field, said := range map[string]bool{"tls": n.file.TLS != nil, "http3": n.file.HTTP3 != nil} {
			if said {
				a.report(at.at(field).problem("belongs to the address under listen, and there is none", "write listen: HOST:PORT, or put it below one of listeners"))
			}
		}
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
	a.mergeAlerts(n)
	a.once(at.at("admin"), n.file.Admin != AdminConfig{}, func() { a.out.Admin = n.file.Admin })
	a.once(at.at("zone"), n.file.Zone != "", func() { a.out.Gateway.Zone = n.file.Zone })
	a.once(at.at("data"), n.file.Data != "", func() { a.out.Data = n.file.Data })
	a.mergeMetrics(n, at)
	a.once(at.at("memory"), n.file.Memory != gateway.MemoryConfig{}, func() { a.out.Gateway.Memory = n.file.Memory })
	a.once(at.at("sidecar"), !reflect.DeepEqual(n.file.Sidecar, SidecarConfig{}), func() { a.out.Sidecar = n.file.Sidecar })
	a.once(at.at("supervisor"), n.file.Supervisor != SupervisorConfig{}, func() { a.out.Supervisor = n.file.Supervisor })
	a.once(at.at("accessLog"), n.file.AccessLog != AccessLogConfig{}, func() { a.out.AccessLog = n.file.AccessLog })
	a.once(at.at("tracing"), n.file.Tracing != nil, func() { a.out.Tracing = n.file.Tracing })
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
	defer a.addScaling(name, s.Scale, at.at("scale"))
	a.addRelease(name, s.Release, at.at("release"))
	if s.Process == nil {
		return
	}
	process := *s.Process
	process.Name = name
	process.Serves = true
	a.places.set(at.at("process"), "processes", name)
	if process.Budget != (supervise.BudgetConfig{}) {
		a.places.set(at.at("process", "budget"), "processes", name, "budget")
	}
	a.places.set(at, "processes", name, "name")
	a.out.Processes = append(a.out.Processes, process)
}

// holdAbsent is how long requests wait for a replica where there is none: some
// times as long as most take to start again.
const holdAbsent = 2 * time.Second

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
	a.addPreviews()
	out.Gateway.Listeners = append(out.Gateway.Listeners, a.sidecarListeners(a.options.Outbound, a.options.Inbound)...)
	if len(out.Gateway.Listeners) == 0 {
		out.Gateway.Listeners = []gateway.ListenerConfig{{Address: "127.0.0.1:8080"}}
	}
	if len(out.Gateway.Routes) == 0 && len(out.Gateway.Services) == 1 && takesRequests(&out.Gateway) && !takesCalls(&out.Gateway) {
		for name := range out.Gateway.Services {
			out.Gateway.Routes = []gateway.RouteConfig{{Name: name, To: []gateway.DestinationConfig{{Service: name}}}}
			if at, ok := a.places.find([]string{"services", name}); ok {
				a.places.set(at, "routes", 0)
			}
		}
	}
	for _, p := range out.Processes {
		if s, ok := out.Gateway.Services[p.Name]; ok {
			s.HoldAbsent = holdAbsent
			out.Gateway.Services[p.Name] = s
		}
	}
	out.Admin.Address = cmp.Or(out.Admin.Address, "127.0.0.1:9900")
	out.AccessLog = out.AccessLog.withDefaults()
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
