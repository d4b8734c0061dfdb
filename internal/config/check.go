package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/logfile"
	"github.com/afloat-dev/afloat/internal/supervise"
)

type process = supervise.Config

// check looks for what decoding cannot see, and places it.
func (a *assembler) check() {
	decoded := len(a.problems)
	a.checkServices()
	a.checkSecurity()
	a.checkOrder()
	a.checkGateway()
	for _, p := range a.out.Processes {
		a.fieldErrors(p.Name, flatten(p.Validate()))
	}
	a.checkScaling()
	a.checkReleases()
	a.checkAdmin()
	a.checkSupervisor()
	a.checkLogs()
	a.checkTracing()
	a.checkAlerts()
	a.checkMetrics()
	a.dropRepeats(decoded)
}

// checkServices wants every service to have a chance of an endpoint.
func (a *assembler) checkServices() {
	for _, name := range slices.Sorted(maps.Keys(a.out.Gateway.Services)) {
		at, ok := a.places[key([]string{"services", name})]
		if !ok || at.foreign || len(a.out.Gateway.Services[name].Endpoints) > 0 || a.runs(name) || a.idle(name) {
			continue
		}
		a.report(at.problem("has neither endpoints nor a process",
			"write endpoints: [HOST:PORT], or process: {command: [PROGRAM]}"))
	}
}

// runs tells whether a process has the service's name.
func (a *assembler) runs(name string) bool { return a.out.runs(name) }

// checkSecurity warns of TLS that protects from nobody.
func (a *assembler) checkSecurity() {
	for _, name := range slices.Sorted(maps.Keys(a.out.Gateway.Services)) {
		c := a.out.Gateway.Services[name].TLS
		if at, ok := a.places.find([]string{"services", name, "tls", "insecureSkipVerify"}); ok && c != nil && c.InsecureSkipVerify {
			a.report(at.warning("anyone between Afloat and the endpoints can read and change everything", "name the file of their CA under ca"))
		}
	}
}

// checkOrder warns of a route that leaves nothing to those after it.
func (a *assembler) checkOrder() {
	routes := a.out.Gateway.Routes
	for i := range routes {
		after := len(routes) - 1 - i
		if at, ok := a.places[key([]string{"routes", fmt.Sprint(i)})]; ok && after > 0 && len(routes[i].Match) == 0 {
			a.report(at.warning(fmt.Sprintf("takes every request, so the routes after it are never reached (%d)", after), "move it to the end or give it a match"))
			return
		}
	}
}

func (a *assembler) checkGateway() {
	if len(a.out.Gateway.Routes) == 0 && len(a.out.Gateway.Services) > 1 && takesRequests(&a.out.Gateway) && !takesCalls(a.withSidecar()) {
		at := a.anyPlace()
		a.report(at.problem("with more than one service, routes must say which requests go where",
			"write routes: [{match: [{path: {prefix: /}}], to: [{service: NAME}]}]"))
	}
	for _, err := range flatten(a.withSidecar().Validate()) {
		a.gatewayProblem(err)
	}
}

// gatewayProblem places what the gateway finds in its configuration.
func (a *assembler) gatewayProblem(err error) {
	var e *gateway.ConfigError
	if !errors.As(err, &e) {
		return
	}
	message, fix := a.sharpen(e)
	at, ok := a.places.find(e.Path)
	address := e.Path[0] == "listeners" && len(e.Path) > 2 && e.Path[2] == "address"
	switch {
	case ok && (!address || a.options.Listen == ""):
		a.report(at.problem(message, fix))
	case e.Path[0] == "listeners":
		a.report(argumentProblem("--listen", a.options.Listen, message, fix))
	default:
		a.report(argumentProblem("configuration", "", e.Error(), ""))
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
	if a.out.Admin.Off() {
		return
	}
	address, err := gateway.ListenAddress(string(a.out.Admin.Address))
	if at, said := a.places["admin"]; said {
		at = at.at("address")
		switch {
		case err != nil:
			a.report(at.problem(err.Error(), "write off to have none"))
			return
		case !loopback(address) && a.out.Admin.Token == "" && a.out.Admin.OIDC == nil:
			a.report(at.problem("is reachable from other machines, so it needs a token",
				"write token: ${AFLOAT_TOKEN}, or an address on 127.0.0.1"))
		case a.out.Admin.ReadToken != "" && a.out.Admin.ReadToken == a.out.Admin.Token:
			a.report(a.places["admin"].at("readToken").problem("is the token of those who may act too", "give those who only look one of their own"))
		case a.out.Admin.OIDC != nil:
			a.checkOIDC(a.out.Admin.OIDC, a.places["admin"].at("oidc"))
		}
	}
	a.out.Admin.Address = Address(address)
	for i, l := range a.out.Gateway.Listeners {
		taken, err := gateway.ListenAddress(l.Address)
		if err != nil || taken != address || strings.HasSuffix(address, ":0") {
			continue
		}
		message, fix := "the admin listener has the address "+address+" too", "choose another port, or write admin: {address: HOST:PORT}"
		if at, ok := a.places.find([]string{"listeners", fmt.Sprint(i), "address"}); ok && a.options.Listen == "" {
			a.report(at.problem(message, fix))
		} else {
			a.report(argumentProblem("--listen", l.Address, message, fix))
		}
	}
}

// accessLogSizeMin is as much as is written at once at most.
const accessLogSizeMin supervise.Bytes = 1 << 20

func (a *assembler) checkLogs() {
	at, c := a.places["accessLog"], a.out.AccessLog
	if at.doc == nil {
		return
	}
	if !(c.Sample > 0 && c.Sample <= 1) {
		a.report(at.at("sample").problem(fmt.Sprintf("want more than 0%% and at most 100%%, got %v", c.Sample), ""))
	}
	if c.Path == "" {
		a.report(at.problem("has no path, so that nothing is written", `write path: FILE, or path: "-" for standard output`))
	}
	if c.SizeMax < accessLogSizeMin {
		a.report(at.at("sizeMax").problem(fmt.Sprintf("want at least %v, got %v", accessLogSizeMin, c.SizeMax), ""))
	}
	if c.FilesMax < 1 || c.FilesMax > logfile.FilesLimit {
		a.report(at.at("filesMax").problem(fmt.Sprintf("want 1 to %d, got %d", logfile.FilesLimit, c.FilesMax), ""))
	}
	if c.AgeMax < 0 {
		a.report(at.at("ageMax").problem(fmt.Sprintf("%v is negative", c.AgeMax), ""))
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

func flatten(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
