package istio

import "github.com/afloat-dev/afloat/internal/config/yamltree"

// The fields of Istio's API that the structs do not hold, so that they are told
// apart from typing mistakes. Source: istio/api, networking/v1alpha3,
// virtual_service.proto and destination_rule.proto.

// refused is a field that cannot be ignored: word says what would be lost.
func refused(word string) yamltree.Note {
	return yamltree.Note{Severity: yamltree.Error, Word: "not supported yet: " + word, Fix: "remove it"}
}

// ignored is a field without effect here: word says why that is harmless.
func ignored(word string) yamltree.Note {
	return yamltree.Note{Severity: yamltree.Warning, Word: "ignored: " + word}
}

// unless makes a note silent for values that change nothing.
func unless(note yamltree.Note, neutral ...string) yamltree.Note {
	note.Neutral = neutral
	return note
}

func (virtualServiceSpec) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"gateways": ignored("Afloat is the one gateway"),
		"exportTo": ignored("there are no other namespaces to hide from"),
		"tls":      refused("TLS is not routed by its server name"),
		"tcp":      refused("only HTTP is routed"),
	}
}

func (HTTPRoute) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"redirect":         refused("requests are not redirected"),
		"directResponse":   refused("routes give no answer of their own"),
		"delegate":         refused("routes are not taken from another VirtualService"),
		"rewrite":          refused("paths and hosts are not rewritten"),
		"mirror":           refused("requests are not mirrored"),
		"mirrors":          refused("requests are not mirrored"),
		"mirrorPercent":    refused("requests are not mirrored"),
		"mirrorPercentage": refused("requests are not mirrored"),
		"corsPolicy":       refused("CORS is left to the service"),
		"headers":          refused("headers are not changed"),
		"websocketUpgrade": {Severity: yamltree.Error, Word: "Istio has dropped this field: upgrades need no permission", Fix: "remove it"},
		"appendHeaders":    {Severity: yamltree.Error, Word: "Istio has dropped this field", Fix: "remove it"},
	}
}

func (HTTPMatch) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"port":            ignored("requests match on every port that Afloat listens on"),
		"statPrefix":      ignored("metrics carry the route's name"),
		"gateways":        refused("Afloat is the one gateway, so the match would be wider"),
		"sourceLabels":    refused("clients have no labels here, so the match would be wider"),
		"sourceNamespace": refused("clients have no namespace here, so the match would be wider"),
	}
}

func (RouteDestination) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{"headers": refused("headers are not changed")}
}

func (PortSelector) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"name": {Severity: yamltree.Error, Word: "Istio has dropped ports by name", Fix: "write number"},
	}
}

func (HTTPRetry) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"retryRemoteLocalities":    unless(ignored("there is one locality"), "false"),
		"retryIgnorePreviousHosts": unless(ignored("a retry always prefers another endpoint"), "true"),
	}
}

func (HTTPDelay) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"exponentialDelay": {Severity: yamltree.Error, Word: "not supported, by Istio neither", Fix: "write fixedDelay"},
	}
}

func (HTTPAbort) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"grpcStatus": refused("requests are not aborted with a gRPC status"),
		"http2Error": {Severity: yamltree.Error, Word: "not supported, by Istio neither", Fix: "write httpStatus"},
		"percent":    {Severity: yamltree.Error, Word: "Istio has dropped this field", Fix: "write percentage: {value: ...}"},
	}
}

func (destinationRuleSpec) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"exportTo":         ignored("there are no other namespaces to hide from"),
		"workloadSelector": refused("a rule applies to every client"),
	}
}

func (TrafficPolicy) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"portLevelSettings": refused("a policy applies to every port"),
		"tunnel":            refused("connections are not tunnelled"),
		"proxyProtocol":     refused("the PROXY protocol is not spoken"),
		"retryBudget":       refused("the budget of retries is Afloat's own"),
	}
}

func (LoadBalancer) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"consistentHash":     refused("requests are not kept at one endpoint"),
		"localityLbSetting":  ignored("there is one locality"),
		"zoneAwareLbSetting": ignored("there is one zone"),
		"warmupDurationSecs": refused("new endpoints are not warmed up"),
		"warmup":             refused("new endpoints are not warmed up"),
	}
}

func (TCPSettings) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"tcpKeepalive":          ignored("connections are kept alive by the defaults"),
		"maxConnectionDuration": ignored("connections are kept while they work"),
		"idleTimeout":           ignored("idle connections are closed by the defaults"),
	}
}

func (HTTPSettings) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"maxRequestsPerConnection": unless(ignored("connections are kept while they work"), "0"),
		"idleTimeout":              ignored("idle connections are closed by the defaults"),
		"h2UpgradePolicy":          unless(refused("endpoints are spoken to in HTTP/1.1"), "DEFAULT", "DO_NOT_UPGRADE"),
		"useClientProtocol":        unless(refused("endpoints are spoken to in HTTP/1.1"), "false"),
		"maxConcurrentStreams":     ignored("endpoints are spoken to in HTTP/1.1"),
		"http2KeepAlive":           ignored("endpoints are spoken to in HTTP/1.1"),
	}
}

func (OutlierDetection) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{
		"consecutiveErrors":              {Severity: yamltree.Error, Word: "Istio has deprecated this field", Fix: "write consecutiveGatewayErrors or consecutive5xxErrors"},
		"splitExternalLocalOriginErrors": unless(refused("failed connections count like errors"), "false"),
		"consecutiveLocalOriginFailures": refused("failed connections count like errors"),
		"outlierDetectionHttpErrorCodes": refused("only 5xx counts"),
	}
}

func (ClientTLS) YAMLNotes() map[string]yamltree.Note {
	notes := map[string]yamltree.Note{}
	for _, name := range []string{"clientCertificate", "privateKey", "caCertificates", "credentialName", "subjectAltNames", "sni", "insecureSkipVerify", "caCrl"} {
		notes[name] = refused("connections to endpoints are not encrypted")
	}
	return notes
}
