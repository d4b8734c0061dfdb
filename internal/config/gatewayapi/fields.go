package gatewayapi

import (
	"github.com/afloat-dev/afloat/internal/config/kube/meta"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// The fields of the Gateway API that the structs do not hold, so that they are
// told apart from typing mistakes. Source: kubernetes-sigs/gateway-api,
// apis/v1, httproute_types.go, grpcroute_types.go and shared_types.go, in the
// standard and the experimental channel.

func (httpRouteSpec) YAMLNotes() map[string]yamltree.Note { return routeNotes }
func (grpcRouteSpec) YAMLNotes() map[string]yamltree.Note { return routeNotes }

var routeNotes = map[string]yamltree.Note{"useDefaultGateways": meta.Ignored("Afloat is the one gateway")}

func (ParentRef) YAMLNotes() map[string]yamltree.Note {
	note := meta.Ignored("the route is there on every address that Afloat listens on")
	return map[string]yamltree.Note{"sectionName": note, "port": note}
}

func (Filter) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"externalAuth": meta.Refused("no other service is asked who may pass"),
		"extensionRef": meta.Refused("there are no extensions"),
	}
}

func (SessionPersistence) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{"idleTimeout": meta.Ignored("a session ends with its absolute timeout, or with its endpoint")}
}
