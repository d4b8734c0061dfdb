// Package signal turns what the gateway and the supervisor tell into the four
// golden signals: latency, traffic, errors and saturation (B. Beyer et al.,
// "Site Reliability Engineering", chapter 6).
//
// There are four observers, and [Tee] joins them into one:
//
//	gateway ──▶ Tee ─┬▶ Metrics    counters and histograms for Prometheus
//	                 ├▶ Window     the last five minutes, second by second
//	                 ├▶ AccessLog  a line of JSON a request
//	                 └▶ EventLog   changes of state, with their why
//
// [Terminal] draws what the Window and the EventLog know. None of them may
// slow a request down: nothing here waits, allocates or looks up a name on the
// path of a request.
package signal
