package gateway

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// owners is where each of n keys goes.
func owners(t *testing.T, s *service, n int) []string {
	t.Helper()
	all := make([]string, n)
	for i := range all {
		all[i] = chosen(t, s, hashOf(fmt.Sprint("key ", i))).address
	}
	return all
}

func moved(before, after []string) (n int) {
	for i := range before {
		if before[i] != after[i] {
			n++
		}
	}
	return n
}

// bothByKey runs f for each way to pick by key. Extra is how much more than its
// own keys may move when an endpoint comes or goes.
func bothByKey(t *testing.T, f func(t *testing.T, balance Balance, extra float64)) {
	for balance, extra := range map[Balance]float64{BalanceRingHash: 0, BalanceMaglev: 0.02} {
		t.Run(string(balance), func(t *testing.T) { f(t, balance, extra) })
	}
}

const keysAsked = 20000

func TestOnlyTheKeysOfAChangedEndpointMove(t *testing.T) {
	bothByKey(t, func(t *testing.T, balance Balance, extra float64) {
		s := pooled(t, ServiceConfig{Balance: balance, Endpoints: many(10)})
		before := owners(t, s, keysAsked)
		counts := map[string]int{}
		for _, owner := range before {
			counts[owner]++
		}
		for _, n := range counts {
			if share := float64(n) / keysAsked; math.Abs(share-0.1) > 0.03 {
				t.Errorf("an endpoint of 10 has %.3f of the keys", share)
			}
		}
		s.setEndpoints(many(11))
		came := float64(moved(before, owners(t, s, keysAsked))) / keysAsked
		if came < 0.05 || came > 1.0/11+extra+0.03 {
			t.Errorf("%.3f of the keys moved to an 11th endpoint", came)
		}
		s.setEndpoints(many(10))
		if n := moved(before, owners(t, s, keysAsked)); n != 0 {
			t.Errorf("%d keys did not come back", n)
		}
		s.setEndpoints(many(9))
		gone := 0
		for i, owner := range owners(t, s, keysAsked) {
			if before[i] != owner && before[i] != "10.0.0.9:80" {
				gone++
			}
		}
		t.Logf("%.4f moved to an 11th; %.4f of others' moved without the 10th", came, float64(gone)/keysAsked)
		if share := float64(gone) / keysAsked; share > extra {
			t.Errorf("%.4f of the keys of others moved", share)
		}
	})
}

func TestOnlyTheKeysOfAnEndpointThatIsDownMove(t *testing.T) {
	bothByKey(t, func(t *testing.T, balance Balance, _ float64) {
		s := pooled(t, ServiceConfig{Balance: balance, Endpoints: many(10)})
		before := owners(t, s, keysAsked)
		e := (*s.endpoints.Load())[3]
		e.down.Store(true)
		heirs := map[string]bool{}
		for i, owner := range owners(t, s, keysAsked) {
			if before[i] != e.address && owner != before[i] {
				t.Fatalf("a key of %s moved to %s", before[i], owner)
			}
			if before[i] == e.address {
				heirs[owner] = true
			}
		}
		if len(heirs) != 9 {
			t.Errorf("its keys went to %d others, want all 9", len(heirs))
		}
		e.down.Store(false)
		if n := moved(before, owners(t, s, keysAsked)); n != 0 {
			t.Errorf("%d keys did not come back", n)
		}
	})
}

func TestKeysDoNotDependOnTheOrderOfEndpoints(t *testing.T) {
	bothByKey(t, func(t *testing.T, balance Balance, _ float64) {
		endpoints := many(6)
		before := owners(t, pooled(t, ServiceConfig{Balance: balance, Endpoints: endpoints}), 2000)
		endpoints[0], endpoints[5], endpoints[2] = endpoints[5], endpoints[2], endpoints[0]
		if n := moved(before, owners(t, pooled(t, ServiceConfig{Balance: balance, Endpoints: endpoints}), 2000)); n != 0 {
			t.Errorf("%d of 2000 keys have another owner", n)
		}
	})
}

// TestHotKeyIsShared has one key asked for by 400 requests at once.
func TestHotKeyIsShared(t *testing.T) {
	bothByKey(t, func(t *testing.T, balance Balance, _ float64) {
		most := func(factor float64) (most int64) {
			c := ServiceConfig{Balance: balance, Endpoints: many(10), Hash: HashConfig{LoadFactor: factor}}
			s := pooled(t, c)
			for range 400 {
				if _, reason, _ := s.choose(demand{draw: hashOf("hot"), at: time.Now()}); reason != "" {
					t.Fatal(reason)
				}
			}
			for _, e := range *s.endpoints.Load() {
				most = max(most, e.inFlight.Load())
			}
			return most
		}
		if n := most(1.5); n > 61 || n < 50 {
			t.Errorf("one endpoint has %d of 400 requests, want at most 1.5 times the mean", n)
		}
		if n := most(-1); n != 400 {
			t.Errorf("without a bound one endpoint has %d of 400 requests", n)
		}
	})
}

func TestKeyIsWhatIsConfigured(t *testing.T) {
	client := netip.MustParseAddr("192.0.2.7")
	r := &http1.Request{Path: []byte("/cart"), Query: []byte("a=1&user=ann"), Fields: []http1.Field{
		{Name: []byte("X-User"), Value: []byte("ann")}, {Name: []byte("Cookie"), Value: []byte("xuser=bob; user=ann; z=")}}}
	ann := hashOf("ann")
	for _, c := range []struct {
		hash HashConfig
		want uint64
	}{
		{HashConfig{Header: "x-user"}, ann},
		{HashConfig{Cookie: "user"}, ann},
		{HashConfig{Query: "user"}, ann},
		{HashConfig{Path: true}, hashOf("/cart")},
	} {
		if got := c.hash.draw(r, client); got != c.want {
			t.Errorf("%+v: got %x, want %x", c.hash, got, c.want)
		}
	}
	none := HashConfig{}
	first, again := none.draw(r, client), none.draw(r, client)
	if first != again || first == none.draw(r, netip.MustParseAddr("192.0.2.8")) {
		t.Error("the client's address is not the key")
	}
	absent := HashConfig{Cookie: "nobody"}
	if first, again := absent.draw(r, client), absent.draw(r, client); first == again {
		t.Error("requests without the key all go to one endpoint")
	}
}
