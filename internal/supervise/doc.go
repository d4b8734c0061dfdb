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
// second small process that does the same work when Afloat itself is killed. The limit: a process that both leaves its
// session and wipes its environment, and whose parent has ended, is known to be an orphan but not whose. It is stopped
// when the supervisor ends; the keeper cannot find it.
package supervise
