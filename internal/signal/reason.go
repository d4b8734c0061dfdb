package signal

import "github.com/afloat-dev/afloat/internal/gateway"

// reasonsMax bounds the reasons that have a series.
const reasonsMax = 29

// reasonIndex gives each reason its place. A switch needs no look-up; reasons
// that it does not know share the last place.
func reasonIndex(r gateway.Reason) int {
	switch r {
	case "":
		return 0
	case gateway.ReasonNoRoute:
		return 1
	case gateway.ReasonBadRequest:
		return 2
	case gateway.ReasonTooLarge:
		return 3
	case gateway.ReasonRateLimited:
		return 4
	case gateway.ReasonOverloaded:
		return 5
	case gateway.ReasonNoEndpoint:
		return 6
	case gateway.ReasonBreakerOpen:
		return 7
	case gateway.ReasonUnreachable:
		return 8
	case gateway.ReasonReset:
		return 9
	case gateway.ReasonTimeout:
		return 10
	case gateway.ReasonBadResponse:
		return 11
	case gateway.ReasonFault:
		return 12
	case gateway.ReasonFallback:
		return 13
	case gateway.ReasonClientGone:
		return 14
	case gateway.ReasonClientSlow:
		return 15
	case gateway.ReasonBrokenOff:
		return 16
	case gateway.ReasonShuttingDown:
		return 17
	case gateway.ReasonReplayed:
		return 18
	case gateway.ReasonIdempotency:
		return 19
	case gateway.ReasonBrownout:
		return 20
	case gateway.ReasonMemory:
		return 21
	case gateway.ReasonStale:
		return 22
	case gateway.ReasonNotCached:
		return 23
	case gateway.ReasonDenied:
		return 24
	case gateway.ReasonRedirected:
		return 25
	case gateway.ReasonResponded:
		return 26
	case gateway.ReasonPreflight:
		return 27
	}
	return reasonsMax - 1
}

// reasonName is the label of a reason.
func reasonName(r gateway.Reason) string {
	switch reasonIndex(r) {
	case 0:
		return "service_error"
	case reasonsMax - 1:
		return other
	}
	return string(r)
}
