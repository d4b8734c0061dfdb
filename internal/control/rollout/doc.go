// Package rollout releases new versions of supervised services: replica by
// replica, at once, or as a canary whose share of the requests grows while a
// judge watches.
//
// A [Release] is a state machine without I/O and without a clock. Step takes a
// [View] of what there is and returns the actions that lead to what should be:
// all of them, whenever what is differs from what should be, so that a loop that
// was killed at any moment goes on where its release was last written down.
//
//	before ─▶ starting ─▶ stepping ─▶ promoting ─▶ after ─▶ keeping ─▶ retiring ─▶ complete
//	   │      └──────────── rolling ────────────────▲ │        │          │
//	   └──────────┴────────────┴────────────┴─────────┴────────┴──────────┴─▶ aborting ─▶ aborted
//
// A [Controller] is the loop around it: it runs each version as a set of
// supervised replicas of its own, beside the other, and moves the requests from
// one to the other in the gateway. What it knows is written to disk before it
// acts.
package rollout
