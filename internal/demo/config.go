package demo

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
)

const (
	shop        = "shop"        // the protected service
	unprotected = "unprotected" // the copy without Afloat
	replicas    = 3             // of each
	workers     = 4             // of each replica
)

const (
	// serviceTime is how long the work for one request takes.
	serviceTime = 40 * time.Millisecond
	// patience is after which time a user gives up.
	patience = 2 * time.Second
)

// configText is what gatewayConfig and shopConfig stand for, as a user would
// write it in afloat.yaml.
const configText = `listen: 127.0.0.1:0
services:
  shop:
    timeout: 2s
    tryTimeout: 1s
    health: {path: /health}
    process:
      command: [%s]
      replicas: 3
      readiness: {http: {path: /health}, period: 1s}
      liveness: {http: {path: /health}, period: 1s, timeout: 1s, failureThreshold: 2, grace: 500ms}
      grace: 2s
`

// ConfigText returns the configuration of the protected side as an afloat.yaml,
// for a sample service that is started by a command.
func ConfigText(sample []string) string {
	var quoted []string
	for _, word := range sampleCommand(sample) {
		quoted = append(quoted, strconv.Quote(word))
	}
	return fmt.Sprintf(configText, strings.Join(quoted, ", "))
}

// gatewayConfig is little more than a timeout and a health path: breaker,
// retries with their budget, outlier ejection and adaptive concurrency are
// those that every service has.
func gatewayConfig() *gateway.Config {
	return &gateway.Config{
		Listeners: []gateway.ListenerConfig{{Address: "127.0.0.1:0"}},
		Routes:    []gateway.RouteConfig{{Name: shop, To: []gateway.DestinationConfig{{Service: shop}}}},
		Services: map[string]gateway.ServiceConfig{shop: {
			Timeout:    patience,
			TryTimeout: time.Second,
			Health:     gateway.HealthConfig{Path: "/health"},
		}},
	}
}

// shopConfig is the protected service's processes.
func shopConfig(sample []string) supervise.Config {
	health := &supervise.HTTPProbe{Path: "/health"}
	return supervise.Config{
		Name:      shop,
		Command:   sampleCommand(sample),
		Replicas:  replicas,
		Readiness: &supervise.ProbeConfig{HTTP: health, Period: time.Second},
		Liveness: &supervise.ProbeConfig{
			HTTP: health, Period: time.Second, Timeout: time.Second, FailureThreshold: 2, Grace: 500 * time.Millisecond,
		},
		Grace: 2 * time.Second,
	}
}

// unprotectedConfig is the same processes, started once and left alone.
func unprotectedConfig(sample []string) supervise.Config {
	return supervise.Config{
		Name:      unprotected,
		Command:   sampleCommand(sample),
		Replicas:  replicas,
		Readiness: &supervise.ProbeConfig{HTTP: &supervise.HTTPProbe{Path: "/health"}, Period: time.Hour},
		Restart:   supervise.RestartConfig{Policy: supervise.RestartNever},
		Grace:     time.Second,
	}
}

// againConfig is what an operator does about an unprotected replica that has
// ended: the same command, on the address that clients know.
func againConfig(sample []string, life life) supervise.Config {
	return supervise.Config{
		Name:    life.name(),
		Command: append(sampleCommand(sample), "-listen", life.address),
		Restart: supervise.RestartConfig{Policy: supervise.RestartNever},
		Grace:   time.Second,
	}
}

func sampleCommand(sample []string) []string {
	return append(append([]string(nil), sample...),
		"-workers", strconv.Itoa(workers), "-service-time", serviceTime.String(), "-drain", "300ms")
}
