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
		"tls":      meta.Refused("TLS is not routed by its server name"),
		"tcp":      meta.Refused("only HTTP is routed"),
	}
}

func (HTTPRoute) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"redirect":         meta.Refused("requests are not redirected"),
		"directResponse":   meta.Refused("routes give no answer of their own"),
		"delegate":         meta.Refused("routes are not taken from another VirtualService"),
		"rewrite":          meta.Refused("paths and hosts are not rewritten"),
		"mirror":           meta.Refused("requests are not mirrored"),
		"mirrors":          meta.Refused("requests are not mirrored"),
		"mirrorPercent":    meta.Refused("requests are not mirrored"),
		"mirrorPercentage": meta.Refused("requests are not mirrored"),
		"corsPolicy":       meta.Refused("CORS is left to the service"),
		"headers":          meta.Refused("headers are not changed"),
		"websocketUpgrade": {Severity: yamltree.Error, Word: "Istio has dropped this field: upgrades need no permission", Fix: "remove it"},
		"appendHeaders":    {Severity: yamltree.Error, Word: "Istio has dropped this field", Fix: "remove it"},
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

func (RouteDestination) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{"headers": meta.Refused("headers are not changed")}
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
	return map[string]yamltree.Note{
		"consistentHash":     meta.Refused("requests are not kept at one endpoint"),
		"localityLbSetting":  meta.Ignored("there is one locality"),
		"zoneAwareLbSetting": meta.Ignored("there is one zone"),
		"warmupDurationSecs": meta.Refused("new endpoints are not warmed up"),
		"warmup":             meta.Refused("new endpoints are not warmed up"),
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
		"h2UpgradePolicy":          meta.Unless(meta.Refused("endpoints are spoken to in HTTP/1.1"), "DEFAULT", "DO_NOT_UPGRADE"),
		"useClientProtocol":        meta.Unless(meta.Refused("endpoints are spoken to in HTTP/1.1"), "false"),
		"maxConcurrentStreams":     meta.Ignored("endpoints are spoken to in HTTP/1.1"),
		"http2KeepAlive":           meta.Ignored("endpoints are spoken to in HTTP/1.1"),
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
	notes := map[string]yamltree.Note{}
	for _, name := range []string{"clientCertificate", "privateKey", "caCertificates", "credentialName", "subjectAltNames", "sni", "insecureSkipVerify", "caCrl"} {
		notes[name] = meta.Refused("connections to endpoints are not encrypted")
	}
	return notes
}
