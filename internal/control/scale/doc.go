// Package scale says how many replicas of a service should run, as the
// HorizontalPodAutoscaler of Kubernetes (autoscaling/v2) does: by what they use
// and by other metrics, within bounds, not faster than policies allow, and not
// back and forth.
//
// A [Scaler] decides: [Scaler.Step] takes a [View] and returns a [Decision]. It
// has no clock and does no I/O. A [Loop] looks, asks and has the supervisor do
// it.
package scale
