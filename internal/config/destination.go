package config

import (
	"fmt"
	"maps"
	"slices"
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

// target is what stands behind a destination: a service, or those of its
// endpoints that have the labels.
type target struct {
	service string
	labels  map[string]string
}

// addDestinations finds the target of each destination of a VirtualService;
// into gets it by the destination's name.
func (a *assembler) addDestinations(v virtualService, into map[string]target) {
	for i, rule := range v.HTTP {
		at := v.at.at("spec", "http", i)
		for j, r := range rule.Route {
			a.addDestination(r.Destination, at.at("route", j, "destination"), into)
		}
		if rule.Mirror != nil {
			a.addDestination(*rule.Mirror, at.at("mirror"), into)
		}
		for j, m := range rule.Mirrors {
			a.addDestination(m.Destination, at.at("mirrors", j, "destination"), into)
		}
	}
}

func (a *assembler) addDestination(d istio.Destination, at place, into map[string]target) {
	name := destinationName(d)
	if d.Port != nil {
		a.report(at.at("port").warning("ignored: the endpoints of "+name+" carry their own ports", ""))
	}
	if _, done := into[name]; done || d.Host == "" {
		return
	}
	if labels, ok := a.endpointsFor(d, name); ok {
		service := shortHost(d.Host)
		into[name], a.foreign.narrowed[name] = target{service, labels}, true
		a.foreign.behind[service] = istio.Destination{Host: d.Host}
		return
	}
	service, found := a.serviceFor(d, name)
	if !found {
		a.missing(at, d, name)
	}
	into[name] = target{service: service}
	if _, ok := a.foreign.behind[service]; !ok {
		a.foreign.behind[service] = d
	}
	if _, ok := a.out.Gateway.Services[service]; !ok {
		a.out.Gateway.Services[service] = gateway.ServiceConfig{}
		a.places.set(at, "services", service)
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

// endpointsFor are the labels that tell the endpoints of a subset apart from the
// others of the host's one service, where no service is the subset's own.
func (a *assembler) endpointsFor(d istio.Destination, name string) (map[string]string, bool) {
	whole, ok := a.out.Gateway.Services[shortHost(d.Host)]
	if !ok || d.Subset == "" {
		return nil, false
	}
	if _, own := a.serviceFor(d, name); own {
		return nil, false
	}
	labels := a.subsetLabels(d)
	for _, e := range whole.Endpoints {
		if len(labels) > 0 && contains(e.Labels, labels) {
			return labels, true
		}
	}
	return nil, false
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

// labelsText writes labels as people do: app=shop, version=v2.
func labelsText(labels map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, k+"="+labels[k])
	}
	return strings.Join(parts, ", ")
}

func (a *assembler) missing(at place, d istio.Destination, name string) {
	what := "no endpoint is known for " + d.Host
	if d.Subset != "" {
		what += ", subset " + d.Subset
	}
	if whole, ok := a.out.Gateway.Services[shortHost(d.Host)]; ok && d.Subset != "" {
		labels := a.subsetLabels(d)
		switch {
		case labels == nil:
			what += ": no DestinationRule says what its labels are"
		case len(whole.Endpoints) > 0:
			what += fmt.Sprintf(": none of service %s has the labels %s", shortHost(d.Host), labelsText(labels))
		}
	}
	a.report(at.problem(what, fmt.Sprintf("give --upstream %s=HOST:PORT, or write services: {%s: {endpoints: [HOST:PORT]}} in an afloat.yaml", name, name)))
}
