package scale

import "time"

// View is what a decision is made from.
type View struct {
	Now time.Time
	// Wanted is how many replicas the supervisor is told to run now.
	Wanted int
	// Replicas are those that exist.
	Replicas []Replica
	// Metrics are the readings of Config.Metrics, in their order.
	Metrics []Reading
}

// Replica is one of the service, as it is.
type Replica struct {
	// ID tells it from others of the service.
	ID int
	// Endpoint is its address, as labels call it.
	Endpoint string
	// Started is when its process began; zero while none runs.
	Started time.Time
	// Ready is whether it takes requests, and Changed when it began or ceased to.
	Ready   bool
	Changed time.Time
	// Gone is whether it is being stopped, or has ended for good.
	Gone bool
	// Used is what it used of late; nil where nobody knows.
	Used *Usage
}

// Usage is of processors and bytes.
type Usage struct {
	CPU    float64
	Memory float64
	// At is the end of the time that CPU is measured over, and Over its length.
	At   time.Time
	Over time.Duration
}

// Reading is the value of a Metric.
type Reading struct {
	// Sum is of all its series.
	Sum float64
	// Each are the values of replicas, by endpoint.
	Each map[string]float64
	// Err is why there is none.
	Err error
}

// Decision is how many replicas there should be.
type Decision struct {
	Replicas int `json:"replicas"`
	// Why says how it came about, in words with its values.
	Why string `json:"why"`
	// Limit says what kept it from more or fewer; empty where nothing did.
	Limit string `json:"limit,omitempty"`
	// Figures are what each figure says for itself.
	Figures []Figure `json:"figures"`
}

// Figure is one of the figures that a service is scaled by.
type Figure struct {
	Name string `json:"name"`
	// Value is what it is, and Target what it should be.
	Value  float64 `json:"value"`
	Target float64 `json:"target"`
	// Replicas is how many it takes to get there.
	Replicas int `json:"replicas"`
	// Problem is why it says nothing.
	Problem string `json:"problem,omitempty"`
}
