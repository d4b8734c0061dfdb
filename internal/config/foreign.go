package config

import (
	"github.com/afloat-dev/afloat/internal/config/istio"
	"github.com/afloat-dev/afloat/internal/config/kube"
)

// foreign are the documents of other formats, in the order of the files.
type foreign struct {
	virtualServices []virtualService
	rules           []rule
	deployments     []deployment
}

type virtualService struct {
	at place
	istio.VirtualService
}

type rule struct {
	at place
	istio.DestinationRule
}

type deployment struct {
	at place
	kube.Deployment
}

func (a *assembler) addForeign() {}
