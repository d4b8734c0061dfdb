package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
)

type process = supervise.Config

// check looks for what decoding cannot see, and places it.
func (a *assembler) check() {
	decoded := len(a.problems)
	a.checkServices()
	a.checkGateway()
	for _, p := range a.out.Processes {
		a.fieldErrors(p.Name, flatten(p.Validate()))
	}
	a.checkAdmin()
	a.checkLogs()
	a.dropRepeats(decoded)
}

// checkServices wants every service to have a chance of an endpoint.
func (a *assembler) checkServices() {
	for _, name := range slices.Sorted(maps.Keys(a.out.Gateway.Services)) {
		at, ok := a.places[key([]string{"services", name})]
		if !ok || at.foreign || len(a.out.Gateway.Services[name].Endpoints) > 0 || a.runs(name) {
			continue
		}
		a.report(at.problem("has neither endpoints nor a process",
			"write endpoints: [HOST:PORT], or process: {command: [PROGRAM]}"))
	}
}

// runs tells whether a process has the service's name.
func (a *assembler) runs(name string) bool {
	return slices.ContainsFunc(a.out.Processes, func(p process) bool { return p.Name == name })
}

func (a *assembler) checkGateway() {
	if len(a.out.Gateway.Routes) == 0 && len(a.out.Gateway.Services) > 1 {
		at := a.anyPlace()
		a.report(at.problem("with more than one service, routes must say which requests go where",
			"write routes: [{match: [{path: {prefix: /}}], to: [{service: NAME}]}]"))
	}
	for _, err := range flatten(a.out.Gateway.Validate()) {
		var e *gateway.ConfigError
		if !errors.As(err, &e) {
			continue
		}
		message, fix := a.sharpen(e)
		at, ok := a.places.find(e.Path)
		switch {
		case ok:
			a.report(at.problem(message, fix))
		case e.Path[0] == "listeners":
			a.report(argumentProblem("--listen", a.options.Listen, message, fix))
		default:
			a.report(argumentProblem("configuration", "", e.Error(), ""))
		}
	}
}

// sharpen splits off the mend, and names what a wrong name may have meant.
func (a *assembler) sharpen(e *gateway.ConfigError) (message, fix string) {
	if last := e.Path[len(e.Path)-1]; last == "service" && strings.HasPrefix(e.Problem, "unknown service") {
		known := slices.Sorted(maps.Keys(a.out.Gateway.Services))
		name := a.destination(e.Path)
		if near := unknownName(name, known); near != "" {
			return fmt.Sprintf("unknown service %q", name), near
		}
	}
	return e.Problem, ""
}

// destination is the service named at routes.N.to.M.
func (a *assembler) destination(path []string) string {
	var i, j int
	if len(path) != 5 {
		return ""
	}
	if _, err := fmt.Sscan(path[1]+" "+path[3], &i, &j); err != nil {
		return ""
	}
	return a.out.Gateway.Routes[i].To[j].Service
}

// fieldErrors places what the supervisor finds in a process.
func (a *assembler) fieldErrors(name string, errs []error) {
	for _, err := range errs {
		var e *supervise.FieldError
		if !errors.As(err, &e) {
			continue
		}
		path := append([]string{"processes", name}, yamltree.ParsePath(e.Field)...)
		if at, ok := a.places.find(path); ok {
			a.report(at.problem(e.Problem, ""))
		}
	}
}

func (a *assembler) checkAdmin() {
	admin, at := a.out.Admin, a.places["admin"]
	if admin.Off() || at.doc == nil {
		return
	}
	address, err := gateway.ListenAddress(string(admin.Address))
	switch {
	case err != nil:
		a.report(at.at("address").problem(err.Error(), `or "off"`))
	case !loopback(address) && admin.Token == "":
		a.report(at.at("address").problem("is reachable from other machines, so it needs a token",
			"write token: ${AFLOAT_TOKEN}, or an address on 127.0.0.1"))
	}
	for i, l := range a.out.Gateway.Listeners {
		if taken, err := gateway.ListenAddress(l.Address); err == nil && taken == address && !strings.HasSuffix(address, ":0") {
			a.report(at.at("address").problem(fmt.Sprintf("listeners[%d] has the address %s too", i, address), "choose another port"))
		}
	}
	a.out.Admin.Address = Address(address)
}

func (a *assembler) checkLogs() {
	if at, sample := a.places["accessLog"], a.out.AccessLog.Sample; at.doc != nil {
		if !(sample > 0 && sample <= 1) {
			a.report(at.at("sample").problem(fmt.Sprintf("want more than 0%% and at most 100%%, got %v", sample), ""))
		}
		if a.out.AccessLog.Path == "" {
			a.report(at.problem("has no path, so that nothing is written", `write path: FILE, or path: "-" for standard output`))
		}
	}
}

// anyPlace is where something that is missing altogether is reported.
func (a *assembler) anyPlace() place {
	if len(a.natives) > 0 {
		return place{doc: a.natives[0].doc}.at("routes")
	}
	for _, name := range slices.Sorted(maps.Keys(a.places)) {
		p := a.places[name]
		p.path = nil
		return p
	}
	return place{}
}

// dropRepeats leaves out what the checks say of a place where decoding has
// already found an error: the value there is not what was written.
func (a *assembler) dropRepeats(decoded int) {
	kept := a.problems[:decoded:decoded]
	for _, p := range a.problems[decoded:] {
		said := slices.ContainsFunc(a.problems[:decoded], func(d yamltree.Problem) bool {
			return d.File == p.File && d.Severity == yamltree.Error && d.Path != "" && (covers(d.Path, p.Path) || covers(p.Path, d.Path))
		})
		if !said && !slices.Contains(kept, p) {
			kept = append(kept, p)
		}
	}
	a.problems = kept
}

// covers tells whether a path is another or leads to it.
func covers(path, other string) bool {
	rest, ok := strings.CutPrefix(other, path)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// checkMachine looks at what is on this machine now.
func (a *assembler) checkMachine(resolve func(string) error) {
	if a.problems.Err() != nil {
		return // a wrong command is not worth looking for
	}
	for _, p := range a.out.Processes {
		a.fieldErrors(p.Name, p.Check())
	}
	if resolve == nil {
		return
	}
	failed := map[string]error{}
	for _, name := range slices.Sorted(maps.Keys(a.out.Gateway.Services)) {
		for i, endpoint := range a.out.Gateway.Services[name].Endpoints {
			host, _, err := net.SplitHostPort(endpoint)
			if err != nil || net.ParseIP(host) != nil {
				continue
			}
			err, looked := failed[host]
			if !looked {
				err = resolve(host)
				failed[host] = err
			}
			if err == nil {
				continue
			}
			message := fmt.Sprintf("the host %s has no address now: %v", host, err)
			if at, ok := a.places.find([]string{"services", name, "endpoints", fmt.Sprint(i)}); ok {
				a.report(at.warning(message, "check its spelling; it is looked up again for each connection"))
			}
		}
	}
}

func flatten(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
