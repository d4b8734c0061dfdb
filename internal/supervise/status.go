package supervise

import (
	"fmt"
	"time"
)

// Phase is where a replica is in its life.
type Phase int

// The phases of a replica.
const (
	PhaseStarting Phase = iota // being started, or started and not ready for the first time yet
	PhaseReady                 // among the endpoints
	PhaseUnready               // was ready, is not now
	PhaseBackoff               // ended, to be started again after a delay
	PhaseStopping              // told to end
	PhaseStopped               // ended, not to be started again
)

var phaseNames = [...]string{"starting", "ready", "unready", "backoff", "stopping", "stopped"}

// String is the phase in lower case, as it stands in JSON and on the console.
func (p Phase) String() string {
	if p < 0 || int(p) >= len(phaseNames) {
		return fmt.Sprintf("phase(%d)", int(p))
	}
	return phaseNames[p]
}

// MarshalText is String.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (p *Phase) UnmarshalText(text []byte) error {
	for i, name := range phaseNames {
		if name == string(text) {
			*p = Phase(i)
			return nil
		}
	}
	return fmt.Errorf("unknown phase %q", text)
}

// RolloutState is how the replacement of a service's replicas stands.
type RolloutState string

// The rollout states.
const (
	RolloutProgressing RolloutState = "progressing" // not all replicas are of the current revision and available yet
	RolloutComplete    RolloutState = "complete"
	RolloutStalled     RolloutState = "rollout stalled" // no progress within the deadline; old replicas keep serving
)

// ServiceStatus is a service as it is now.
type ServiceStatus struct {
	Name       string          `json:"name"`
	Service    string          `json:"service"`            // whose replicas they are: Name, but for one of several versions
	Version    string          `json:"version,omitempty"`  // of a service that is released
	Desired    int             `json:"desired"`            // replicas wanted; 0 for a service that is being removed
	Ready      int             `json:"ready"`              // replicas among the endpoints
	Revision   string          `json:"revision,omitempty"` // of the current Config
	Rollout    RolloutState    `json:"rollout"`
	RolloutWhy string          `json:"rolloutWhy,omitempty"` // why the rollout is stalled
	Budget     *BudgetStatus   `json:"budget,omitempty"`     // the disruption budget, where there is one
	Replicas   []ReplicaStatus `json:"replicas"`
}

// ReplicaStatus is a replica as it is now.
type ReplicaStatus struct {
	ID       int       `json:"id"`            // unique within the service as long as Afloat runs; kept over restarts
	PID      int       `json:"pid,omitempty"` // of the main process; 0 when none runs
	Ports    []Port    `json:"ports"`
	Phase    Phase     `json:"phase"`
	Since    time.Time `json:"since"`              // when the phase began
	Started  time.Time `json:"started,omitzero"`   // when its process was; zero when none runs
	Restarts int       `json:"restarts"`           // starts after the first
	LastExit string    `json:"lastExit,omitempty"` // in words: "exited with status 1", "killed by SIGKILL"
	Why      string    `json:"why,omitempty"`      // why it is unready, in backoff or stopping
	NextTry  time.Time `json:"nextTry,omitzero"`   // in backoff: when it is started again
	Revision string    `json:"revision"`
}

// Port is a declared port and the loopback address that stands for it in one replica.
type Port struct {
	Declared int    `json:"declared"` // 0 when the service declares none
	Addr     string `json:"addr"`     // "127.0.0.1:port"
}

// Endpoint is a ready replica.
type Endpoint struct {
	Replica int    // the replica's ID
	Addr    string // of its first port, "127.0.0.1:port"
	Ports   []Port // all of its ports, in the order of Config.Ports
}
