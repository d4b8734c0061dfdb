package config

import (
	"fmt"
	"strings"

	"github.com/afloat-dev/afloat/internal/config/istio"
	"github.com/afloat-dev/afloat/internal/gateway"
)

// destinationName is what a destination is called: host, or host/subset.
func destinationName(d istio.Destination) string {
	if d.Subset == "" {
		return shortHost(d.Host)
	}
	return shortHost(d.Host) + "/" + d.Subset
}

// shortHost drops namespace and cluster domain: there is one namespace here.
func shortHost(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, suffix := range []string{".svc.cluster.local", ".svc"} {
		if rest, ok := strings.CutSuffix(host, suffix); ok {
			name, _, _ := strings.Cut(rest, ".")
			return name
		}
	}
	return host
}

// addDestinations finds the service for each destination of a VirtualService;
// into gets its name by the destination's.
func (a *assembler) addDestinations(v virtualService, into map[string]string) {
	for i, rule := range v.HTTP {
		for j, r := range rule.Route {
			at := v.at.at("spec", "http", i, "route", j, "destination")
			name := destinationName(r.Destination)
			if r.Destination.Port != nil {
				a.report(at.at("port").warning("ignored: the endpoints of "+name+" carry their own ports", ""))
			}
			if _, done := into[name]; done || r.Destination.Host == "" {
				continue
			}
			service, found := a.serviceFor(r.Destination, name)
			if !found {
				a.missing(at, r.Destination, name)
			}
			into[name] = service
			if _, ok := a.foreign.behind[service]; !ok {
				a.foreign.behind[service] = r.Destination
			}
			if _, ok := a.out.Gateway.Services[service]; !ok {
				a.out.Gateway.Services[service] = gateway.ServiceConfig{}
				a.places.set(at, "services", service)
			}
		}
	}
}

// serviceFor finds the service that stands behind a destination: one of its
// name, or a Deployment.
func (a *assembler) serviceFor(d istio.Destination, name string) (service string, found bool) {
	for _, text := range a.options.Upstreams {
		if upstream, _, _ := strings.Cut(text, "="); strings.TrimSpace(upstream) == name {
			return name, true
		}
	}
	if _, ok := a.out.Gateway.Services[name]; ok {
		return name, true
	}
	if d.Subset == "" {
		return name, false
	}
	labels := a.subsetLabels(d)
	for _, candidate := range a.foreign.deployments {
		if len(labels) > 0 && contains(candidate.Labels, labels) {
			return candidate.Name, candidate.Name != ""
		}
	}
	dashed := strings.ReplaceAll(name, "/", "-")
	_, ok := a.out.Gateway.Services[dashed]
	if ok {
		return dashed, true
	}
	return name, false
}

// subsetLabels are what a DestinationRule says of the destination's subset.
func (a *assembler) subsetLabels(d istio.Destination) map[string]string {
	for _, r := range a.foreign.rules {
		if !coversHost(r.Host, d.Host) {
			continue
		}
		for _, s := range r.Subsets {
			if s.Name == d.Subset {
				return s.Labels
			}
		}
	}
	return nil
}

func contains(labels, wanted map[string]string) bool {
	for k, v := range wanted {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// coversHost tells whether the host of a rule, which may be a wildcard, is that
// of a destination.
func coversHost(rule, host string) bool {
	if rule == "*" || shortHost(rule) == shortHost(host) {
		return true
	}
	suffix, wild := strings.CutPrefix(strings.ToLower(rule), "*")
	return wild && strings.HasSuffix(strings.ToLower(host), suffix)
}

func (a *assembler) missing(at place, d istio.Destination, name string) {
	what := "no endpoint is known for " + d.Host
	if d.Subset != "" {
		what += ", subset " + d.Subset
	}
	a.report(at.problem(what, fmt.Sprintf("give --upstream %s=HOST:PORT, or write services: {%s: {endpoints: [HOST:PORT]}} in an afloat.yaml", name, name)))
}
