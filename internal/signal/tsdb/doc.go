// Package tsdb keeps Afloat's own metrics and answers questions about them: the
// time-series database and the query engine of Prometheus, in the process.
//
//	registry ──every second──▶ Store ─┬▶ Queryable, Engine   queries in PromQL
//	                                  ├▶ Appendable          what rules record
//	                                  └▶ write-ahead log     survives kill -9
//
// Nothing here is on the path of a request: the store asks the registry as any
// scraper would, and while it is not to be had, requests go on.
package tsdb
