package istio

import (
	"github.com/afloat-dev/afloat/internal/config/kube/meta"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// The fields of Istio's API that the structs do not hold, so that they are told
// apart from typing mistakes. Source: istio/api, networking/v1alpha3,
// virtual_service.proto and destination_rule.proto.

func (virtualServiceSpec) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"gateways": meta.Ignored("Afloat is the one gateway"),
		"exportTo": meta.Ignored("there are no other namespaces to hide from"),
		"tls":      {Severity: yamltree.Error, Word: "not supported yet: TLS is routed by an afloat.yaml", Fix: "write listeners: [{tcp: {serverNames: {NAME: SERVICE}}}] there"},
		"tcp":      {Severity: yamltree.Error, Word: "not supported yet: TCP is routed by an afloat.yaml", Fix: "write listeners: [{tcp: {service: NAME}}] there"},
	}
}

func (HTTPRoute) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"delegate":         meta.Refused("routes are not taken from another VirtualService"),
		"websocketUpgrade": {Severity: yamltree.Error, Word: "Istio has dropped this field: upgrades need no permission", Fix: "remove it"},
		"appendHeaders":    {Severity: yamltree.Error, Word: "Istio has dropped this field", Fix: "remove it"},
	}
}

func (HTTPBody) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"bytes": {Severity: yamltree.Error, Word: "not supported yet: answers are text", Fix: "write string"},
	}
}

func (HTTPMatch) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"port":            meta.Ignored("requests match on every port that Afloat listens on"),
		"statPrefix":      meta.Ignored("metrics carry the route's name"),
		"gateways":        meta.Refused("Afloat is the one gateway, so the match would be wider"),
		"sourceLabels":    meta.Refused("clients have no labels here, so the match would be wider"),
		"sourceNamespace": meta.Refused("clients have no namespace here, so the match would be wider"),
	}
}

func (PortSelector) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"name": {Severity: yamltree.Error, Word: "Istio has dropped ports by name", Fix: "write number"},
	}
}

func (HTTPRetry) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"retryRemoteLocalities":    meta.Unless(meta.Ignored("there is one locality"), "false"),
		"retryIgnorePreviousHosts": meta.Unless(meta.Ignored("a retry always prefers another endpoint"), "true"),
	}
}

func (HTTPDelay) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"exponentialDelay": {Severity: yamltree.Error, Word: "not supported, by Istio neither", Fix: "write fixedDelay"},
	}
}

func (HTTPAbort) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"grpcStatus": meta.Refused("requests are not aborted with a gRPC status"),
		"http2Error": {Severity: yamltree.Error, Word: "not supported, by Istio neither", Fix: "write httpStatus"},
		"percent":    {Severity: yamltree.Error, Word: "Istio has dropped this field", Fix: "write percentage: {value: ...}"},
	}
}

func (destinationRuleSpec) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"exportTo":         meta.Ignored("there are no other namespaces to hide from"),
		"workloadSelector": meta.Refused("a rule applies to every client"),
	}
}

func (TrafficPolicy) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"portLevelSettings": meta.Refused("a policy applies to every port"),
		"tunnel":            meta.Refused("connections are not tunnelled"),
		"proxyProtocol":     meta.Refused("the PROXY protocol is not spoken"),
		"retryBudget":       meta.Refused("the budget of retries is Afloat's own"),
	}
}

func (LoadBalancer) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{"zoneAwareLbSetting": meta.Ignored("requests stay in Afloat's zone while enough of its endpoints are usable")}
}

func (ConsistentHash) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{"minimumRingSize": meta.Ignored("the ring is as large as the endpoints' weights want")}
}

func (RingHash) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{"minimumRingSize": meta.Ignored("the ring is as large as the endpoints' weights want")}
}

func (Maglev) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{"tableSize": meta.Ignored("the table is as large as the endpoints want")}
}

func (HTTPCookie) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{"path": meta.Ignored("Afloat sets no cookie for this")}
}

func (LocalityLB) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"distribute":       meta.Refused("a zone's share is what its endpoints can take"),
		"failover":         meta.Ignored("a zone with too few usable endpoints gives the rest to the next one"),
		"failoverPriority": meta.Refused("endpoints say their priority themselves"),
	}
}

func (Warmup) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"minimumPercent": meta.Ignored("shares grow evenly, from nearly nothing"),
		"aggression":     meta.Ignored("shares grow evenly"),
	}
}

func (TCPSettings) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"tcpKeepalive":          meta.Ignored("connections are kept alive by the defaults"),
		"maxConnectionDuration": meta.Ignored("connections are kept while they work"),
		"idleTimeout":           meta.Ignored("idle connections are closed by the defaults"),
	}
}

func (HTTPSettings) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"maxRequestsPerConnection": meta.Unless(meta.Ignored("connections are kept while they work"), "0"),
		"idleTimeout":              meta.Ignored("idle connections are closed by the defaults"),
		"useClientProtocol":        meta.Unless(meta.Refused("a service is spoken to in one protocol"), "false"),
		"maxConcurrentStreams":     meta.Ignored("endpoints say themselves how many streams they take"),
		"http2KeepAlive":           meta.Ignored("connections are kept alive by the defaults"),
	}
}

func (OutlierDetection) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"consecutiveErrors":              {Severity: yamltree.Error, Word: "Istio has deprecated this field", Fix: "write consecutiveGatewayErrors or consecutive5xxErrors"},
		"splitExternalLocalOriginErrors": meta.Unless(meta.Refused("failed connections count like errors"), "false"),
		"consecutiveLocalOriginFailures": meta.Refused("failed connections count like errors"),
		"outlierDetectionHttpErrorCodes": meta.Refused("only 5xx counts"),
	}
}

func (ClientTLS) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"credentialName": meta.Refused("there are no Secrets to read certificates from"),
		"caCrl":          meta.Refused("revocation lists are not read"),
	}
}
