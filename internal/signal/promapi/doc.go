// Package promapi serves the HTTP API of Prometheus over a store of metrics, so
// that promtool, Grafana and whatever else speaks it work with Afloat. The
// store, the engine and the rules are Prometheus'; the few handlers are not,
// since those of Prometheus bring a hundred packages more and cost 80 MB at the
// start.
package promapi
