package config

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/afloat-dev/afloat/internal/config/istio"
	"github.com/afloat-dev/afloat/internal/gateway"
)

// retryConditions are Envoy's words in terms of the gateway. Envoy counts a
// connection that failed or broke, and a try that timed out, as a 5xx, as a
// gateway error and as a reset.
var retryConditions = map[string][]gateway.RetryCondition{
	"5xx":                  {gateway.RetryConnectFailure, gateway.RetryReset, gateway.RetryTimeout, gateway.RetryUnavailable, gateway.Retry5xx},
	"gateway-error":        {gateway.RetryConnectFailure, gateway.RetryReset, gateway.RetryTimeout, gateway.RetryUnavailable},
	"reset":                {gateway.RetryConnectFailure, gateway.RetryReset, gateway.RetryTimeout},
	"reset-before-request": {gateway.RetryConnectFailure},
	"connect-failure":      {gateway.RetryConnectFailure},
	"refused-stream":       {gateway.RetryConnectFailure}, // which a request that no endpoint took counts as
}

// grpcConditions are Envoy's words for statuses of gRPC.
var grpcConditions = map[string]gateway.GRPCStatus{
	"cancelled":          "CANCELLED",
	"deadline-exceeded":  "DEADLINE_EXCEEDED",
	"internal":           "INTERNAL",
	"resource-exhausted": "RESOURCE_EXHAUSTED",
	"unavailable":        "UNAVAILABLE",
}

// retryOn are the conditions of a rule. One that says how long a try may take
// but not what is repeated gets repeats of tries that took longer, too.
func (a *assembler) retryOn(rule istio.HTTPRoute, at place) (out []gateway.RetryCondition, statuses []int, grpc []gateway.GRPCStatus) {
	tries := rule.Tries()
	said := rule.Retries != nil && rule.Retries.RetryOn != ""
	out, statuses, grpc = []gateway.RetryCondition{}, []int{}, []gateway.GRPCStatus{}
	for _, word := range tries.Conditions() {
		conditions, known := retryConditions[word]
		if status := retryStatus(word); status >= 400 && status <= 599 {
			statuses = append(statuses, status)
			continue
		}
		if status := grpcConditions[word]; status != "" {
			grpc = append(grpc, status)
			continue
		}
		if !known && said {
			a.report(at.warning(unmatched(word), "remove it, or write 5xx or gateway-error"))
		}
		for _, c := range conditions {
			if !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	if !said && tries.PerTryTimeout > 0 {
		out = append(out, gateway.RetryTimeout)
	}
	return out, statuses, grpc
}

// retryStatus is the status that a word of retryOn stands for; 0 for none.
func retryStatus(word string) int {
	switch word {
	case "retriable-4xx":
		return http.StatusConflict // as Envoy has it
	case "retriable-status-codes":
		return http.StatusServiceUnavailable // which Istio lists alone
	}
	n, _ := strconv.Atoi(word)
	return n
}

func unmatched(word string) string {
	if _, err := strconv.Atoi(word); err == nil {
		return fmt.Sprintf("status %s is no failure, so nothing is repeated for it", word)
	}
	return fmt.Sprintf("%s has no counterpart here, so nothing is repeated for it", word)
}
