package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// addUpstreams replaces the endpoints of services by those of the command line.
// Without files the upstreams are all the services there are.
func (a *assembler) addUpstreams(alone bool) {
	for _, text := range a.options.Upstreams {
		name, endpoints, err := parseUpstream(text)
		_, known := a.out.Gateway.Services[name]
		switch {
		case err != "":
			a.report(argumentProblem("--upstream", text, err, "write NAME=HOST:PORT,HOST:PORT"))
		case a.upstream[name]:
			a.report(argumentProblem("--upstream", text, name+" is given twice", "name it once, with its endpoints separated by commas"))
		case !known && !alone:
			names := slices.Sorted(maps.Keys(a.out.Gateway.Services))
			fix := unknownName(name, names)
			switch {
			case fix != "":
			case len(names) == 0:
				fix = "the files name no service: name one in them, or leave the files out"
			default:
				fix = "the services are " + strings.Join(names, ", ")
			}
			a.report(argumentProblem("--upstream", text, "unknown service "+name, fix))
		default:
			s := a.out.Gateway.Services[name]
			s.Endpoints = endpoints
			a.out.Gateway.Services[name] = s
		}
		a.upstream[name] = true
	}
}

// parseUpstream reads NAME=HOST:PORT,HOST:PORT.
func parseUpstream(text string) (name string, endpoints []gateway.EndpointConfig, problem string) {
	name, list, ok := strings.Cut(text, "=")
	name = strings.TrimSpace(name)
	if !ok || name == "" {
		return "", nil, "want a name and endpoints, got " + text
	}
	for endpoint := range strings.SplitSeq(list, ",") {
		endpoints = append(endpoints, gateway.EndpointConfig{Address: strings.TrimSpace(endpoint)})
	}
	probe := gateway.Config{Services: map[string]gateway.ServiceConfig{"x": {Endpoints: endpoints}}}
	for _, err := range flatten(probe.Validate()) {
		if e, ok := err.(*gateway.ConfigError); ok {
			return name, nil, e.Problem
		}
	}
	return name, endpoints, ""
}
