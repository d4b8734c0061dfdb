package config

import (
	"github.com/afloat-dev/afloat/internal/config/istio"
	"github.com/afloat-dev/afloat/internal/config/kube"
)

// foreign are the documents of other formats, in the order of the files.
type foreign struct {
	virtualServices []virtualService
	rules           []*rule
	deployments     []deployment
	// behind is which destination a service serves.
	behind map[string]istio.Destination
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

type deployment struct {
	at place
	kube.Deployment
}

// addForeign adds what Deployments run, then where VirtualServices send
// requests, then how DestinationRules protect it. Each looks at those before.
func (a *assembler) addForeign() {
	for _, d := range a.foreign.deployments {
		a.addDeployment(d)
	}
	a.foreign.behind = map[string]istio.Destination{}
	destinations := map[string]string{}
	for _, v := range a.foreign.virtualServices {
		a.addDestinations(v, destinations)
	}
	a.addVirtualServices(destinations)
	a.applyRules()
}
