// Package config turns files into one checked assembly: what the gateway
// serves, what the supervisor runs, and where Afloat reports.
//
//	files ─▶ documents ─▶ by kind ─▶ one Assembly ─▶ checks ─▶ Problems at their places
//	         (yamltree)   no kind: afloat.yaml
//	                      VirtualService, DestinationRule: package istio
//	                      Deployment: package kube
//
// [Load] reads files and looks at the machine, [Assemble] only reads. Both
// return all problems at once, each with file, line and column, whatever the
// document was that it came from. Environment variables are substituted in
// afloat.yaml alone.
package config
