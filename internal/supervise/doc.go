// Package supervise keeps the processes of services running on one Linux machine.
//
// A service is a command that runs in a number of replicas. Each replica is a process group with loopback ports of its
// own. The supervisor starts it, probes it, restarts it with backoff, replaces it in a rolling update and stops it:
// first out of the endpoints, then drained, then SIGTERM, then SIGKILL of everything that it ever started.
//
// A replica goes through these phases:
//
//	            ┌───────── backoff ◀──────────┐ exited, and the policy restarts it
//	            ▼                             │
//	create ▶ starting ──ready──▶ ready ◀──▶ unready
//	            │                  │           │
//	            └───── stop or a failed liveness probe ─────▶ stopping ──▶ stopped, or backoff
//
// Nothing of a replica survives it, and nothing survives Afloat. Three things see to that: process groups, for what
// stays in them; a marker in the environment and descent, for what leaves its group or its session; and a keeper, a
// second small process that does the same work when Afloat itself is killed. The limit: a process that leaves both its
// group and its marker behind (a daemon with a wiped environment) is found only as long as its parent lives.
//
// The parts, from the inside out: machine decides what happens to one replica, plan what happens to the replicas of a
// service, rollout whether that gets anywhere; they have no clock and do no I/O. life carries one process from start to
// end, prober asks its questions, family finds what belongs to it. Supervisor is the loop that joins them.
package supervise
