package config

import (
	"fmt"
	"maps"
	"net"
	"slices"

	"github.com/afloat-dev/afloat/internal/authority"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
	"github.com/afloat-dev/afloat/internal/gateway"
)

// checkMachine looks at what is on this machine now.
func (a *assembler) checkMachine(resolve func(string) error) {
	checked := len(a.problems)
	for _, p := range a.out.Processes {
		if p.Validate() == nil { // a wrong command is not worth looking for
			a.fieldErrors(p.Name, p.Check())
			a.checkLimits(p)
		}
	}
	for _, err := range flatten(a.out.Gateway.CheckFiles()) {
		a.gatewayProblem(err)
	}
	for _, r := range a.out.Gateway.Renewals() {
		if _, err := authority.Open(r.From); err != nil {
			a.gatewayProblem(&gateway.ConfigError{Path: r.Path, Problem: err.Error()})
		}
	}
	a.readAlertFiles()
	a.dropRepeats(checked)
	if resolve != nil {
		a.checkHosts(resolve)
	}
}

// checkHosts warns of endpoints whose names have no address. Each name is looked
// up once.
func (a *assembler) checkHosts(resolve func(string) error) {
	looked := map[string]error{}
	for _, name := range slices.Sorted(maps.Keys(a.out.Gateway.Services)) {
		for i, endpoint := range a.out.Gateway.Services[name].Endpoints {
			host, _, err := net.SplitHostPort(endpoint.Address)
			if err != nil || net.ParseIP(host) != nil {
				continue
			}
			if _, ok := looked[host]; !ok {
				looked[host] = resolve(host)
			}
			if looked[host] == nil {
				continue
			}
			message, fix := fmt.Sprintf("the host %s has no address now: %v", host, looked[host]), "check its spelling"
			at, ok := a.places.find([]string{"services", name, "endpoints", fmt.Sprint(i)})
			switch {
			case a.upstream[name]:
				p := argumentProblem("--upstream", name+"="+endpoint.Address, message, fix)
				p.Severity = yamltree.Warning
				a.report(p)
			case ok:
				a.report(at.warning(message, fix))
			}
		}
	}
}
