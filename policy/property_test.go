package policy

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
)

var firstSeed = flag.Uint64("seed", 0, "the first seed of the tests that try many random schedules")

// property runs a test for each of many random schedules, in bubbles of their
// own. A failure names the seed: go test -run NAME -args -seed SEED
func property(t *testing.T, schedules int, test func(*testing.T, *rand.Rand)) {
	t.Helper()
	for i := range uint64(schedules) {
		seed := *firstSeed + i
		ok := t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, rand.New(rand.NewPCG(seed, 0))) })
		})
		if !ok {
			return
		}
	}
}

// someOf is a random one of the options.
func someOf[T any](random *rand.Rand, options ...T) T { return options[random.IntN(len(options))] }

// fork is a source of randomness for another goroutine.
func fork(random *rand.Rand) *rand.Rand {
	return rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))
}
