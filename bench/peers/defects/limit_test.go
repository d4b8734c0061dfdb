package defects

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
)

var limitBehaviours = []behaviour{
	{"No more than the rate and the burst is admitted, though a caller's reading of the clock comes late", put(clocks("late"), faults{
		"x/time": "refills twice for the same time",
	}, named(afloat, "x/time")...)},
	{"A call is admitted or refused, and never fails", put(neverFails, faults{
		"throttled": "returns an error when ten others were faster on the same key",
	}, keyedLimits...)},
	{"Keys that are idle are forgotten", inBubble(put(idleKeys, faults{
		"throttled": "keeps every key for ever unless their number is capped",
	}, keyedLimits...))},
	{"A key that is limited is not forgotten for others, however many", inBubble(put(limitedKey, faults{
		"throttled": "forgets the least recently used, who are then admitted anew",
	}, keyedLimits...))},
	{"A wall clock that is set back makes nobody wait", put(clocks("setBack"), faults{
		"uber": "sleeps as long as the clock was set back",
	}, named(afloat, "uber")...)},
}

// keyedLimit is a limit a key; the error is other than a refusal.
type keyedLimit func(key string) (admitted bool, err error)

// newKeyed makes one that admits so many calls a key in a second, and all of
// them at once. Of so many keys it keeps account; 0: whatever it does by default.
type newKeyed func(requests, keysMax int) keyedLimit

var keyedLimits = []maker[newKeyed]{
	{library: afloat, make: func(tb testing.TB) newKeyed {
		return func(requests, keysMax int) keyedLimit {
			l := must[*policy.KeyedRateLimit](tb)(policy.NewKeyedRateLimit(policy.KeyedRateLimitConfig{Requests: float64(requests), KeysMax: keysMax}))
			return func(key string) (bool, error) {
				err := refusal(l.Allow(key), policy.ErrLimited)
				if err == errRefused {
					return false, nil
				}
				return err == nil, err
			}
		}
	}},
	{library: "throttled", make: func(tb testing.TB) newKeyed {
		return func(requests, keysMax int) keyedLimit {
			store := unhurried{must[throttled.GCRAStoreCtx](tb)(memstore.NewCtx(keysMax))}
			l := must[*throttled.GCRARateLimiterCtx](tb)(throttled.NewGCRARateLimiterCtx(store,
				throttled.RateQuota{MaxRate: throttled.PerSec(requests), MaxBurst: requests - 1}))
			return func(key string) (bool, error) {
				limited, _, err := l.RateLimitCtx(tb.Context(), key, 1)
				return !limited, err
			}
		}
	}},
}

// unhurried is a store that lets others have their turn before it answers, as
// one on a network does.
type unhurried struct{ throttled.GCRAStoreCtx }

func (s unhurried) GetWithTime(ctx context.Context, key string) (int64, time.Time, error) {
	defer runtime.Gosched()
	return s.GCRAStoreCtx.GetWithTime(ctx, key)
}

// neverFails has 64 goroutines ask for one key.
func neverFails(_ *testing.T, build newKeyed) string {
	allow := build(1e6, 0)
	var failed atomic.Int64
	var callers sync.WaitGroup
	began := time.Now()
	for range 64 {
		callers.Go(func() {
			for time.Since(began) < time.Second && failed.Load() == 0 {
				for range 100 {
					if _, err := allow("key"); err != nil {
						failed.Add(1)
					}
				}
			}
		})
	}
	callers.Wait()
	if failed.Load() > 0 {
		return "calls for one key get an error"
	}
	return ""
}

// limitedKey has a key use up its limit, and then many others ask.
func limitedKey(t *testing.T, build newKeyed) string {
	const keysMax = 1000
	allow := build(1, keysMax)
	for _, want := range []bool{true, false} {
		if admitted, err := allow("busy"); admitted != want || err != nil {
			t.Fatalf("admitted %v, %v", admitted, err)
		}
	}
	for k := range 10 * keysMax {
		if _, err := allow(strconv.Itoa(k)); err != nil {
			t.Fatal(err)
		}
	}
	if admitted, _ := allow("busy"); admitted {
		return "a second call of a key is admitted in the same moment, after other keys have asked"
	}
	return ""
}

// idleKeys has ever new keys ask once, a minute apart from the others.
func idleKeys(t *testing.T, build newKeyed) string {
	allow := build(1e6, 0)
	const keys, generations = 50_000, 8
	grown := make([]int64, generations)
	var empty, m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&empty)
	for g := range generations {
		for k := range keys {
			if admitted, err := allow(strconv.Itoa(g*keys + k)); err != nil || !admitted {
				t.Fatalf("admitted %v, %v", admitted, err)
			}
		}
		time.Sleep(time.Minute)
		runtime.GC()
		runtime.ReadMemStats(&m)
		grown[g] = int64(m.HeapAlloc) - int64(empty.HeapAlloc)
	}
	runtime.KeepAlive(allow)
	if last, first := grown[generations-1], max(grown[1], 1<<20); last > 2*first {
		return fmt.Sprintf("%d MiB for %d keys that are all idle, and %d MiB for %d", last>>20, generations*keys, first>>20, 2*keys)
	}
	return ""
}

// named are makers of a test that needs no more than the library's name.
func named(libraries ...string) []maker[string] { return scenes("", libraries...) }

// clocks has the program of that name play a scene with a library.
func clocks(scene string) func(*testing.T, string) string {
	return func(t *testing.T, library string) string {
		program, err := clocksProgram()
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(program, scene, library).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
}

// clocksFolder is where the program is, if any test needed it.
var clocksFolder string

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(clocksFolder)
	os.Exit(code)
}

// clocksProgram compiles the program against a package time of its own.
var clocksProgram = sync.OnceValues(func() (string, error) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	file := filepath.Join(strings.TrimSpace(string(goroot)), "src", "time", "time.go")
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	changed := string(text) + "\n//go:linkname setBack\n\nvar setBack int64\n\n//go:linkname late\n\nvar late int64\n"
	for reading, own := range map[string]string{
		"func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n": "\tsec, mono = sec-setBack, mono-late\n",
		"func Since(t Time) Duration {\n":                        "\tt = t.Add(Duration(late))\n",
	} {
		if !strings.Contains(changed, reading) {
			return "", fmt.Errorf("%s reads the clock in another way than this test knows", file)
		}
		changed = strings.Replace(changed, reading, reading+own, 1)
	}
	folder, err := os.MkdirTemp("", "clocks")
	if err != nil {
		return "", err
	}
	clocksFolder = folder
	mine, overlay, program := filepath.Join(folder, "time.go"), filepath.Join(folder, "overlay.json"), filepath.Join(folder, "clocks")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {file: mine}})
	if err != nil {
		return "", err
	}
	for path, content := range map[string][]byte{mine: []byte(changed), overlay: replace} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return "", err
		}
	}
	if out, err := exec.Command("go", "build", "-tags=clocks", "-overlay="+overlay, "-o="+program, "./clocks").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return program, nil
})
