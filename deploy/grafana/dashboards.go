package main

// dashboards are all, by the names of their files.
func dashboards() map[string]*dashboard {
	return map[string]*dashboard{"overview.json": overview(), "service.json": service(), "afloat.json": self()}
}

const (
	here       = `instance=~"$instance"`
	ofService  = here + `, service=~"$service"`
	ofEndpoint = ofService + `, endpoint=~"$endpoint"`
	window     = `[$__rate_interval]`
)

// overview shows the four golden signals of all services, and what is wrong.
func overview() *dashboard {
	d := newDashboard("afloat-overview", "Afloat: overview", choice("service", "Service", `label_values(afloat_service_in_flight{instance=~"$instance"}, service)`))
	d.row("Now")
	d.stat("Requests", "reqps", `sum(rate(afloat_requests_total{`+ofService+`}`+window+`))`, 0, 0)
	d.stat("Failed", "percentunit", `(sum(rate(afloat_requests_failed_total{`+ofService+`}`+window+`)) or vector(0)) / sum(rate(afloat_requests_total{`+ofService+`}`+window+`))`, 0.01, 0.05)
	d.stat("p99", "s", `histogram_quantile(0.99, sum by (le) (rate(afloat_request_duration_seconds_bucket{`+ofService+`}`+window+`)))`, 1, 5)
	d.stat("Endpoints without requests", "none", `count(afloat_endpoint_up{`+ofService+`} == 0) or vector(0)`, 1, 1)
	d.stat("Breakers open", "none", `sum(afloat_endpoint_breaker_state{`+ofService+`, state="open"})`, 1, 1)
	d.stat("Fullest service", "percentunit", `max(afloat_service_in_flight{`+ofService+`} / (afloat_service_limit{`+ofService+`} > 0))`, 0.7, 0.95)

	d.row("Golden signals")
	d.plot("Traffic", "reqps", query(`sum by (service) (rate(afloat_requests_total{`+ofService+`}`+window+`))`, "{{service}}"))
	d.plot("Errors", "percentunit", query(`sum by (service) (rate(afloat_requests_failed_total{`+ofService+`}`+window+`)) / sum by (service) (rate(afloat_requests_total{`+ofService+`}`+window+`))`, "{{service}}"))
	latency := d.plot("Latency, p99", "s", query(`histogram_quantile(0.99, sum by (service, le) (rate(afloat_request_duration_seconds_bucket{`+ofService+`}`+window+`)))`, "{{service}}"))
	latency.Targets[0].Exemplar = true
	d.plot("Saturation: of the limit of requests under way", "percentunit", query(`afloat_service_in_flight{`+ofService+`} / (afloat_service_limit{`+ofService+`} > 0)`, "{{service}}"))
	d.plot("Why requests failed", "reqps", query(`sum by (reason) (rate(afloat_requests_failed_total{`+ofService+`}`+window+`))`, "{{reason}}"))
	d.plot("Statuses", "reqps", query(`sum by (code) (rate(afloat_requests_total{`+ofService+`}`+window+`))`, "{{code}}"))

	d.row("By region")
	joined := ` * on (instance, service, endpoint) group_left (region, zone) afloat_endpoint_info{` + ofService + `}`
	d.plot("Tries", "reqps", query(`sum by (region, zone) (rate(afloat_upstream_tries_total{`+ofService+`}`+window+`)`+joined+`)`, "{{region}} {{zone}}"))
	d.plot("Failed tries", "reqps", query(`sum by (region, zone) (rate(afloat_upstream_tries_total{`+ofService+`, class="failure"}`+window+`)`+joined+`)`, "{{region}} {{zone}}"))
	d.plot("Latency of tries, p99", "s", query(`histogram_quantile(0.99, sum by (region, zone, le) (rate(afloat_upstream_try_duration_seconds_bucket{`+ofService+`}`+window+`)`+joined+`))`, "{{region}} {{zone}}"))
	d.plot("Under way", "none", query(`sum by (region, zone) (afloat_endpoint_in_flight{`+ofService+`}`+joined+`)`, "{{region}} {{zone}}"))
	d.plot("Endpoints that get requests", "percentunit", query(`sum by (region, zone) (afloat_endpoint_up{`+ofService+`}`+joined+`) / sum by (region, zone) (afloat_endpoint_info{`+ofService+`})`, "{{region}} {{zone}}"))

	d.row("What Afloat does")
	d.plot("Retries, hedges and fallbacks", "reqps",
		query(`sum(rate(afloat_retries_total{`+ofService+`}`+window+`))`, "retries"),
		query(`sum(rate(afloat_service_hedges_total{`+ofService+`}`+window+`))`, "hedges"),
		query(`sum(rate(afloat_fallbacks_total{`+ofService+`}`+window+`))`, "fallbacks"))
	d.plot("Refused", "reqps",
		query(`sum(rate(afloat_service_shed_total{`+ofService+`}`+window+`))`, "overload"),
		query(`sum(rate(afloat_route_limited_total{`+here+`}`+window+`))`, "rate limit"),
		query(`sum(rate(afloat_service_browned_total{`+ofService+`}`+window+`))`, "brownout"),
		query(`sum(rate(afloat_memory_refused_total{`+here+`}`+window+`))`, "memory"))
	d.plot("Changes of state", "none", query(`sum by (kind) (increase(afloat_events_total{`+here+`}[1m]))`, "{{kind}}"))
	return d
}

// service shows one service by route and endpoint, and its policies.
func service() *dashboard {
	d := newDashboard("afloat-service", "Afloat: service",
		choice("service", "Service", `label_values(afloat_service_in_flight{instance=~"$instance"}, service)`),
		choice("endpoint", "Endpoint", `label_values(afloat_endpoint_up{instance=~"$instance", service=~"$service"}, endpoint)`))
	d.row("Requests")
	d.plot("By route", "reqps", query(`sum by (route) (rate(afloat_requests_total{`+ofService+`}`+window+`))`, "{{route}}"))
	d.plot("Failed, by route", "reqps", query(`sum by (route, reason) (rate(afloat_requests_failed_total{`+ofService+`}`+window+`))`, "{{route}} {{reason}}"))
	d.plot("Latency", "s", quantiles("afloat_request_duration_seconds", ofService)...)
	heat := d.add("heatmap", "Latency of all requests", "s", 16, 8, query(`sum by (le) (increase(afloat_request_duration_seconds_bucket{`+ofService+`}`+window+`))`, "{{le}}"))
	heat.Targets[0].Format = "heatmap"
	d.plot("Bytes", "Bps",
		query(`sum(rate(afloat_request_bytes_total{`+ofService+`}`+window+`))`, "received"),
		query(`sum(rate(afloat_response_bytes_total{`+ofService+`}`+window+`))`, "sent"))

	d.row("Endpoints")
	d.plot("Tries", "reqps", query(`sum by (endpoint) (rate(afloat_upstream_tries_total{`+ofEndpoint+`}`+window+`))`, "{{endpoint}}"))
	d.plot("Failed tries", "percentunit", query(`sum by (endpoint) (rate(afloat_upstream_tries_total{`+ofEndpoint+`, class="failure"}`+window+`)) / sum by (endpoint) (rate(afloat_upstream_tries_total{`+ofEndpoint+`}`+window+`))`, "{{endpoint}}"))
	d.plot("Latency, p99", "s", query(`histogram_quantile(0.99, sum by (endpoint, le) (rate(afloat_upstream_try_duration_seconds_bucket{`+ofEndpoint+`}`+window+`)))`, "{{endpoint}}"))
	d.plot("Under way", "none", query(`afloat_endpoint_in_flight{`+ofEndpoint+`}`, "{{endpoint}}"))
	d.plot("Share", "percentunit", query(`afloat_endpoint_share_ratio{`+ofEndpoint+`}`, "{{endpoint}}"))
	states := d.add("state-timeline", "State", "", 8, 8, query(`sum by (endpoint, state) (afloat_endpoint_state{`+ofEndpoint+`}) == 1`, "{{endpoint}} {{state}}"))
	states.Options = map[string]any{"mergeValues": true, "showValue": "never"}

	d.row("Policies")
	d.plot("Limit of requests under way", "none",
		query(`sum(afloat_service_in_flight{`+ofService+`})`, "under way"),
		query(`sum(afloat_service_limit{`+ofService+`})`, "limit"),
		query(`sum(afloat_service_queued{`+ofService+`})`, "queued"))
	d.plot("Refused by the limit", "reqps", query(`sum by (service) (rate(afloat_service_shed_total{`+ofService+`}`+window+`))`, "{{service}}"))
	d.plot("Breakers that are not closed", "none", query(`sum by (endpoint, state) (afloat_endpoint_breaker_state{`+ofEndpoint+`, state!="closed"})`, "{{endpoint}} {{state}}"))
	d.plot("Retries", "percentunit", query(`sum by (service) (rate(afloat_retries_total{`+ofService+`}`+window+`)) / sum by (service) (rate(afloat_requests_total{`+ofService+`}`+window+`))`, "{{service}}"))
	d.plot("Cache", "percentunit", query(`sum by (route) (rate(afloat_route_cache_hits_total{`+here+`}`+window+`)) / (sum by (route) (rate(afloat_route_cache_hits_total{`+here+`}`+window+`)) + sum by (route) (rate(afloat_route_cache_misses_total{`+here+`}`+window+`)))`, "{{route}}"))
	d.plot("Brownout", "none", query(`sum by (service, state) (afloat_service_brownout_state{`+ofService+`, state!="none"})`, "{{service}} {{state}}"))

	d.row("Replicas")
	d.plot("Ready", "none",
		query(`sum by (service) (afloat_replicas_ready{`+ofService+`})`, "{{service}} ready"),
		query(`sum by (service) (afloat_replicas_desired{`+ofService+`})`, "{{service}} wanted"))
	d.plot("Restarts", "none", query(`sum by (service, version, replica) (increase(afloat_replica_restarts_total{`+ofService+`}[5m]))`, "{{service}} {{version}} {{replica}}"))
	return d
}

// self shows Afloat's own process and its store of metrics.
func self() *dashboard {
	d := newDashboard("afloat-self", "Afloat: itself")
	d.row("Process")
	d.plot("Processor", "percentunit", query(`rate(process_cpu_seconds_total{job="afloat", `+here+`}`+window+`) / go_sched_gomaxprocs_threads{job="afloat", `+here+`}`, "{{instance}}"))
	d.plot("Memory", "bytes",
		query(`process_resident_memory_bytes{job="afloat", `+here+`}`, "{{instance}} resident"),
		query(`go_memstats_heap_inuse_bytes{job="afloat", `+here+`}`, "{{instance}} heap"),
		query(`afloat_memory_limit_bytes{`+here+`} > 0`, "{{instance}} limit"))
	d.plot("File descriptors", "percentunit", query(`process_open_fds{job="afloat", `+here+`} / process_max_fds{job="afloat", `+here+`}`, "{{instance}}"))
	d.plot("Lag", "s",
		query(`afloat_lag_seconds{`+here+`}`, "{{instance}} now"),
		query(`histogram_quantile(0.99, sum by (instance, le) (rate(go_sched_latencies_seconds_bucket{job="afloat", `+here+`}`+window+`)))`, "{{instance}} p99"))
	d.plot("Goroutines", "none", query(`go_goroutines{job="afloat", `+here+`}`, "{{instance}}"))
	d.plot("Connections of clients", "none", query(`sum by (listener) (afloat_listener_connections{`+here+`})`, "{{listener}}"))

	d.row("Kept metrics")
	d.plot("Series", "none", query(`afloat_store_series{`+here+`}`, "{{instance}}"))
	d.plot("On the disk", "bytes", query(`afloat_store_bytes{`+here+`}`, "{{instance}}"))
	d.plot("Samples", "cps",
		query(`rate(afloat_store_samples_total{`+here+`}`+window+`)`, "kept"),
		query(`sum by (reason) (rate(afloat_store_dropped_total{`+here+`}`+window+`))`, "dropped: {{reason}}"))
	d.plot("Time to gather", "s", query(`afloat_store_gather_seconds{`+here+`}`, "{{instance}}"))
	d.plot("Failures", "none", query(`sum by (doing) (increase(afloat_store_failures_total{`+here+`}[5m]))`, "{{doing}}"))
	return d
}
