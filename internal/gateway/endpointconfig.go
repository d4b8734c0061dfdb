package gateway

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// EndpointConfig is an endpoint of a service. In a file its address alone may
// stand for it.
type EndpointConfig struct {
	// Address is host:port.
	Address string `yaml:"address" required:"true"`
	// Weight is its share, in proportion to the weights of the others.
	// Default 1.
	Weight int `yaml:"weight"`
	// Zone is where it runs, as zone or region/zone. Requests go to the
	// endpoints of Afloat's own zone while enough of them are usable. Default:
	// everywhere.
	Zone string `yaml:"zone"`
	// Priority is when it is used: endpoints of a larger number only get what
	// those of smaller ones cannot take. Default 0.
	Priority int `yaml:"priority"`
	// Labels say what it is, as version: v2 does, for routes that go to some of
	// a service's endpoints.
	Labels map[string]string `yaml:"labels"`
}

// weightMax is the largest weight of an endpoint.
const weightMax = 1000

// ShortYAML names the field that a plain value in a file sets.
func (EndpointConfig) ShortYAML() string { return "address" }

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c EndpointConfig) WithDefaults() EndpointConfig {
	c.Weight = cmp.Or(c.Weight, 1)
	return c
}

// String is the address, followed by what is set beside it.
func (c EndpointConfig) String() string {
	parts := []string{c.Address}
	if c.Weight > 1 {
		parts = append(parts, fmt.Sprintf("weight %d", c.Weight))
	}
	if c.Zone != "" {
		parts = append(parts, "zone "+c.Zone)
	}
	if c.Priority != 0 {
		parts = append(parts, fmt.Sprintf("priority %d", c.Priority))
	}
	for _, k := range slices.Sorted(maps.Keys(c.Labels)) {
		parts = append(parts, k+"="+c.Labels[k])
	}
	return strings.Join(parts, " ")
}

// Addresses are endpoints that are alike.
func Addresses(addresses ...string) []EndpointConfig {
	var all []EndpointConfig
	for _, address := range addresses {
		all = append(all, EndpointConfig{Address: address})
	}
	return all
}
