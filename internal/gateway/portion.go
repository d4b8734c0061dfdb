package gateway

import (
	"fmt"
	"time"
)

// tell fills in what the endpoints of the service get of its requests, and for
// each that gets less than its weight says, or nothing, why.
func (s *service) tell(all []EndpointStatus) {
	tiers, config := *s.tiers.Load(), s.config.Load()
	w := wish{now: time.Since(clock), panics: s.panics(*s.endpoints.Load(), config)}
	shares := spill(tiers, &w, float64(config.SpillBelow))
	by := map[string]*EndpointStatus{}
	for i := range all {
		by[all[i].Address] = &all[i]
	}
	for i, t := range tiers {
		total := 0.0
		for _, e := range t.endpoints {
			if w.able(e) {
				total += e.weight(w.now)
			}
		}
		for _, e := range t.endpoints {
			st, ok := by[e.address]
			if !ok {
				continue // the endpoints have changed between the two looks
			}
			set := e.settings.Load()
			st.Weight, st.Zone, st.Priority, st.Version = set.Weight, set.Zone, set.Priority, set.Labels[VersionLabel]
			if !w.able(e) {
				continue
			}
			st.Share = shares[i] * e.weight(w.now) / total
			if st.Why == "" {
				st.Why = s.lessBecause(tiers, shares[:], i, e.warmth(w.now))
			}
			if st.State != "up" && w.panics {
				st.Why = fmt.Sprintf("used all the same, since less than %v of the endpoints are usable; %s", config.PanicBelow, st.Why)
			}
		}
	}
}

// lessBecause says why an endpoint of a tier that is up gets less than its
// weight says; it is empty when it does not.
func (s *service) lessBecause(tiers []tier, shares []float64, i int, warmth float64) string {
	if warmth < 1 {
		return fmt.Sprintf("warms up: %.0f%% of its share, and all of it %v after it came", 100*warmth, s.config.Load().Warmup)
	}
	switch t := tiers[i]; {
	case shares[i] == 0:
		return fmt.Sprintf("gets nothing: enough endpoints of %s are usable", tiers[firstUsed(shares)].rank)
	case shares[i] < 1:
		return fmt.Sprintf("the endpoints of %s get %.0f%% of the requests together", t.rank, 100*shares[i])
	}
	return ""
}

func firstUsed(shares []float64) int {
	for i, share := range shares {
		if share > 0 {
			return i
		}
	}
	return 0
}
