package gatewayapi

import (
	"regexp"

	"github.com/afloat-dev/afloat/internal/config/kube/meta"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// GRPCRoute says how the calls for some hosts are routed.
type GRPCRoute struct {
	Name      string
	Namespace string
	// Hostnames are names, or "*.name" for all below; none means every host.
	Hostnames []string
	Rules     []GRPCRule
}

// ReadGRPCRoute reads a document for which [Reads] is true, verbatim, without
// environment variables.
func ReadGRPCRoute(doc *yamltree.Document) (GRPCRoute, yamltree.Problems) {
	var file struct {
		meta.Object `yaml:",inline"`
		Spec        grpcRouteSpec `yaml:"spec" required:"true"`
	}
	c := &checker{meta.Checker{Doc: doc, Problems: doc.Decode(&file, yamltree.Options{Verbatim: true})}}
	c.object(file.Object)
	c.grpcRoute(file.Spec)
	return GRPCRoute{
		Name: file.Metadata.Name, Namespace: file.Metadata.Namespace,
		Hostnames: file.Spec.Hostnames, Rules: file.Spec.Rules,
	}, c.Problems
}

type grpcRouteSpec struct {
	ParentRefs []ParentRef `yaml:"parentRefs"`
	Hostnames  []string    `yaml:"hostnames"`
	Rules      []GRPCRule  `yaml:"rules"`
}

// GRPCRule is which calls, and what becomes of them.
type GRPCRule struct {
	Name               string              `yaml:"name"`
	Matches            []GRPCMatch         `yaml:"matches"`
	Filters            []Filter            `yaml:"filters"`
	BackendRefs        []Backend           `yaml:"backendRefs"`
	SessionPersistence *SessionPersistence `yaml:"sessionPersistence"`
}

// GRPCMatch is a condition on a call. All that is set must hold.
type GRPCMatch struct {
	Method  *MethodMatch `yaml:"method"`
	Headers []ValueMatch `yaml:"headers"`
}

// MethodMatch compares service and method; an empty one takes any.
type MethodMatch struct {
	Type    ValueMatchType `yaml:"type"`
	Service string         `yaml:"service"`
	Method  string         `yaml:"method"`
}

// Path is the match in terms of the path /service/method, by which calls of
// gRPC are known.
func (m *MethodMatch) Path() *PathMatch {
	match := func(kind PathMatchType, text string) *PathMatch { return &PathMatch{Type: kind, Value: &text} }
	switch {
	case m == nil:
		return nil
	case m.Type != ValueRegex && m.Service != "" && m.Method != "":
		return match(PathExact, "/"+m.Service+"/"+m.Method)
	case m.Type != ValueRegex && m.Service != "":
		return match(PathPrefix, "/"+m.Service)
	}
	part := func(text string) string {
		switch {
		case text == "":
			return "[^/]+"
		case m.Type == ValueRegex:
			return "(?:" + text + ")"
		}
		return regexp.QuoteMeta(text)
	}
	return match(PathRegex, "/"+part(m.Service)+"/"+part(m.Method))
}
