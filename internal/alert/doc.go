// Package alert watches and tells: it evaluates rules, notices total outages,
// and hands alerts to an Alertmanager in the same process, which groups them,
// leaves out what is silenced or said by a more urgent one, and notifies.
//
//	rules (PromQL) ──┐
//	outage detector ─┼▶ gate ─▶ dispatcher ─▶ inhibition ─▶ silences ─▶ dedup ─▶ receivers
//	API v2 (amtool) ─┘   │                                                 │
//	                     ▼ fired, resolved, acknowledged, escalated        ▼ sent, failed
//	                  journal ──▶ book: which alerts are open, which incidents there were
//
// The journal is the one durable truth of alerts: after a restart the book is
// read from it, and what was open is told to the dispatcher anew. What has been
// sent is in the notification log, which reaches the disk before the next
// notice, so that a killed process neither loses nor repeats one, but for the
// one whose answer it was killed waiting for.
package alert
