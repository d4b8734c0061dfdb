package config

import (
	"strings"

	"github.com/afloat-dev/afloat/internal/config/gatewayapi"
	"github.com/afloat-dev/afloat/internal/config/istio"
	"github.com/afloat-dev/afloat/internal/config/kube"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// native is one document of afloat.yaml.
type native struct {
	doc  *yamltree.Document
	file File
}

// readSource parses a file and decodes its documents by their kinds.
func (a *assembler) readSource(s Source) {
	docs, err := yamltree.Parse(s.Name, s.Data)
	switch {
	case err != nil:
		a.report(yamltree.AsProblems(err)...)
		return
	case len(docs) == 0:
		a.report(yamltree.Problem{File: s.Name, Line: 1, Column: 1, Message: "the file says nothing", Fix: "write at least services: or name another file"})
		return
	}
	for _, doc := range docs {
		a.readDocument(doc)
	}
}

func (a *assembler) readDocument(doc *yamltree.Document) {
	switch {
	case doc.Kind() == "" && doc.APIVersion() == "":
		n := native{doc: doc}
		a.report(doc.Decode(&n.file, yamltree.Options{Lookup: a.options.Env})...)
		a.natives = append(a.natives, n)
	case istio.Reads(doc) && doc.Kind() == istio.KindVirtualService:
		v, problems := istio.ReadVirtualService(doc)
		a.report(problems...)
		a.foreign.virtualServices = append(a.foreign.virtualServices, virtualService{place{doc: doc, foreign: true}, v})
	case istio.Reads(doc):
		r, problems := istio.ReadDestinationRule(doc)
		a.report(problems...)
		a.foreign.rules = append(a.foreign.rules, &rule{at: place{doc: doc, foreign: true}, DestinationRule: r})
	case gatewayapi.Reads(doc) && doc.Kind() == gatewayapi.KindHTTPRoute:
		r, problems := gatewayapi.ReadHTTPRoute(doc)
		a.report(problems...)
		a.foreign.httpRoutes = append(a.foreign.httpRoutes, httpRoute{place{doc: doc, foreign: true}, false, r})
	case gatewayapi.Reads(doc):
		r, problems := gatewayapi.ReadGRPCRoute(doc)
		a.report(problems...)
		a.foreign.httpRoutes = append(a.foreign.httpRoutes, httpRoute{place{doc: doc, foreign: true}, true, r.HTTP()})
	case kube.Reads(doc) && doc.Kind() == kube.KindAutoscaler:
		h, problems := kube.ReadAutoscaler(doc)
		a.report(problems...)
		a.foreign.autoscalers = append(a.foreign.autoscalers, autoscaler{place{doc: doc, foreign: true}, h})
	case kube.Reads(doc) && doc.Kind() == kube.KindBudget:
		b, problems := kube.ReadBudget(doc)
		a.report(problems...)
		a.foreign.budgets = append(a.foreign.budgets, budget{place{doc: doc, foreign: true}, b})
	case kube.Reads(doc):
		d, problems := kube.ReadDeployment(doc)
		a.report(problems...)
		a.foreign.deployments = append(a.foreign.deployments, deployment{place{doc: doc, foreign: true}, d})
	case readsOpenSLO(doc):
		a.readOpenSLO(doc)
	case readsPrometheusRule(doc):
		a.readPrometheusRule(doc)
	default:
		a.unknownKind(doc)
	}
}

// apiVersions are what the kinds that are read are written with.
var apiVersions = map[string]string{
	istio.KindVirtualService:  "networking.istio.io/v1",
	istio.KindDestinationRule: "networking.istio.io/v1",
	gatewayapi.KindHTTPRoute:  gatewayapi.APIVersion,
	gatewayapi.KindGRPCRoute:  gatewayapi.APIVersion,
	kube.KindDeployment:       kube.APIVersion,
	kube.KindAutoscaler:       kube.AutoscalerAPIVersion,
	kube.KindBudget:           kube.BudgetAPIVersion,
	kindPrometheusRule:        apiVersionPrometheusRule,
	kindSLO:                   apiVersionSLO,
}

func (a *assembler) unknownKind(doc *yamltree.Document) {
	kinds := []string{istio.KindVirtualService, istio.KindDestinationRule, gatewayapi.KindHTTPRoute, gatewayapi.KindGRPCRoute, kube.KindDeployment,
		kube.KindAutoscaler, kube.KindBudget, kindPrometheusRule, kindSLO}
	kind, version := doc.Kind(), doc.APIVersion()
	near := yamltree.Suggest(kind, kinds)
	switch {
	case kind == "":
		a.report(doc.Problem("kind", "is required beside apiVersion", "write the kind, or remove apiVersion from an afloat.yaml"))
	case apiVersions[kind] != "" && version == "":
		a.report(doc.Problem("apiVersion", "is required beside kind", "write apiVersion: "+apiVersions[kind]))
	case apiVersions[kind] != "":
		a.report(doc.Problem("apiVersion", "a "+kind+" of this version is not read", "write "+apiVersions[kind]))
	case near != "":
		a.report(doc.Problem("kind", "this kind is not read", "did you mean "+near+"?"))
	default:
		a.report(doc.Problem("kind", "this kind is not read", "remove the document; read are "+strings.Join(kinds, ", ")+" and afloat.yaml, which has no kind"))
	}
}
