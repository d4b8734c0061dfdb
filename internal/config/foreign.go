package config

import (
	"github.com/afloat-dev/afloat/internal/config/gatewayapi"
	"github.com/afloat-dev/afloat/internal/config/istio"
	"github.com/afloat-dev/afloat/internal/config/kube"
)

// foreign are the documents of other formats, in the order of the files.
type foreign struct {
	virtualServices []virtualService
	rules           []*rule
	deployments     []deployment
	autoscalers     []autoscaler
	budgets         []budget
	httpRoutes      []httpRoute
	// behind is which destination a service serves.
	behind map[string]istio.Destination
	// narrowed are the destinations that are some of a service's endpoints.
	narrowed map[string]bool
	// ports is which port of a Service an HTTPRoute or GRPCRoute asks for.
	ports map[string]int32
}

type virtualService struct {
	at place
	istio.VirtualService
}

type rule struct {
	at place
	istio.DestinationRule
	used bool
}

// httpRoute is an HTTPRoute, or a GRPCRoute in terms of HTTP.
type httpRoute struct {
	at   place
	grpc bool
	gatewayapi.HTTPRoute
}

type deployment struct {
	at place
	kube.Deployment
}

// addForeign adds what Deployments run, then where VirtualServices, HTTPRoutes
// and GRPCRoutes send requests, then how DestinationRules protect it. Each looks at those before.
func (a *assembler) addForeign() {
	for _, d := range a.foreign.deployments {
		a.addDeployment(d)
	}
	a.addAutoscalers()
	a.addBudgets()
	a.foreign.behind, a.foreign.ports, a.foreign.narrowed = map[string]istio.Destination{}, map[string]int32{}, map[string]bool{}
	destinations := map[string]target{}
	for _, v := range a.foreign.virtualServices {
		a.addDestinations(v, destinations)
	}
	a.addVirtualServices(destinations)
	a.addHTTPRoutes()
	a.applyRules()
}
