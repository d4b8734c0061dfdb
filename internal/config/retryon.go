package config

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/afloat-dev/afloat/internal/config/istio"
	"github.com/afloat-dev/afloat/internal/gateway"
)

// retryConditions are Envoy's words in terms of the gateway. Envoy counts a
// connection that failed or broke, and a try that timed out, as a 5xx, as a
// gateway error and as a reset.
var retryConditions = map[string][]gateway.RetryCondition{
	"5xx":                    {gateway.RetryConnectFailure, gateway.RetryReset, gateway.RetryTimeout, gateway.RetryUnavailable, gateway.Retry5xx},
	"gateway-error":          {gateway.RetryConnectFailure, gateway.RetryReset, gateway.RetryTimeout, gateway.RetryUnavailable},
	"reset":                  {gateway.RetryConnectFailure, gateway.RetryReset, gateway.RetryTimeout},
	"reset-before-request":   {gateway.RetryConnectFailure},
	"connect-failure":        {gateway.RetryConnectFailure},
	"refused-stream":         {}, // cannot happen: endpoints speak HTTP/1.1
	"unavailable":            {gateway.RetryUnavailable},
	"retriable-status-codes": {gateway.RetryUnavailable}, // Istio lists 503 alone
	"502":                    {gateway.RetryUnavailable},
	"503":                    {gateway.RetryUnavailable},
	"504":                    {gateway.RetryUnavailable},
}

// retryOn are the conditions of a rule. One that says how long a try may take
// but not what is repeated gets repeats of tries that took longer, too.
func (a *assembler) retryOn(rule istio.HTTPRoute, at place) []gateway.RetryCondition {
	tries := rule.Tries()
	said := rule.Retries != nil && rule.Retries.RetryOn != ""
	out := []gateway.RetryCondition{}
	for _, word := range tries.Conditions() {
		conditions, known := retryConditions[word]
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
	return out
}

func unmatched(word string) string {
	if _, err := strconv.Atoi(word); err == nil {
		return fmt.Sprintf("status %s alone is not repeated here: only 502, 503 and 504, or every 5xx", word)
	}
	return fmt.Sprintf("%s has no counterpart here, so nothing is repeated for it", word)
}
