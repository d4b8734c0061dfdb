package gateway

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

func TestScarcityBarsByPriority(t *testing.T) {
	for p, want := range map[policy.Priority]scarcity{
		policy.PrioritySheddable: lowRefused, policy.PriorityLow: lowRefused, policy.PriorityNormal: mostRefused, policy.PriorityCritical: mostRefused + 1,
	} {
		for _, s := range []scarcity{plenty, lowRefused, mostRefused} {
			if s.bars(p) != (s >= want) {
				t.Errorf("%v bars %s: %v", s, p, s.bars(p))
			}
		}
	}
}

func TestGroupLimitIsThatOfTheControlGroup(t *testing.T) {
	write := func(root, name, text string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"none":           {nil, 0},
		"v2":             {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "67108864\n"}, 64 << 20},
		"v2, of a unit":  {map[string]string{"proc/self/cgroup": "0::/a.slice/b\n", "sys/fs/cgroup/a.slice/b/memory.max": "1048576\n"}, 1 << 20},
		"v2, unbounded":  {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 0},
		"v1":             {map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "33554432\n"}, 32 << 20},
		"v1, unbounded":  {map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		"something else": {map[string]string{"sys/fs/cgroup/memory.max": "much\n"}, 0},
	} {
		root := t.TempDir()
		for path, text := range c.files {
			write(root, path, text)
		}
		if got := groupLimit(root + "/"); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

func TestMachineLimitIsAShareOfItsMemory(t *testing.T) {
	for text, want := range map[string]int64{
		"":                                   0,
		"MemFree: 1024 kB\n":                 0,
		"MemTotal: much kB\n":                0,
		"MemTotal: -5 kB\n":                  0,
		"MemTotal: 9007199254740993 kB\n":    0,
		"MemTotal:       8388608 kB\nX: 1\n": 6 << 30,
		"MemTotal:       4096 kB\n":          memoryMin,
	} {
		root := t.TempDir()
		if err := os.MkdirAll(filepath.Join(root, "proc"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "proc/meminfo"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := machineLimit(root + "/"); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
	if got := machineLimit(t.TempDir() + "/"); got != 0 {
		t.Errorf("without the file: got %d", got)
	}
}

func TestMemoryGuardNeedsNoConfiguredLimit(t *testing.T) {
	if machineLimit("/") == 0 {
		t.Skip("the machine does not say how much memory it has")
	}
	for _, disabled := range []bool{false, true} {
		c := oneService(ServiceConfig{Endpoints: Addresses(origin(t, func(http.ResponseWriter, *http.Request) {}))})
		c.Memory.Disabled = disabled
		g, url := start(t, c)
		if status, _ := get(t, url); status != 200 {
			t.Errorf("disabled %v: got %d", disabled, status)
		}
		if limit := g.Status().Memory.LimitBytes; (limit == 0) != disabled {
			t.Errorf("disabled %v: a limit of %d", disabled, limit)
		}
	}
}

const memoryChild = "AFLOAT_TEST_MEMORY_CHILD"

// TestMemoryGuard runs TestMemoryOfChild in a process with little memory.
func TestMemoryGuard(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestMemoryOfChild$", "-test.v")
	cmd.Env = append(os.Environ(), memoryChild+"=1", "GOMEMLIMIT=64MiB", "GOGC=100")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestMemoryOfChild")) {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestMemoryOfChild: bodies that are kept for a service that hangs fill the
// memory. Requests are refused then, low ones first, and critical ones never;
// and served again when there is room.
func TestMemoryOfChild(t *testing.T) {
	if os.Getenv(memoryChild) == "" {
		t.Skip("runs in a process of its own")
	}
	release := make(chan struct{})
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "PUT" {
			<-release
		}
	})
	s := ServiceConfig{Endpoints: Addresses(address), ReplayBytes: 1 << 20, Timeout: time.Minute, StallTimeout: time.Minute}
	s.Concurrency.Disabled = true
	c := oneService(s)
	c.Routes = append([]RouteConfig{{Name: "vital", Match: []MatchConfig{{Path: &StringMatch{Exact: "/vital"}}}, Priority: policy.PriorityCritical, To: c.Routes[0].To}}, c.Routes...)
	g, url := start(t, c)
	body := strings.Repeat("x", 1<<20)
	var clients sync.WaitGroup
	var mu sync.Mutex
	answers := map[int]int{}
	for i := range 200 {
		clients.Go(func() {
			req, _ := http.NewRequest("PUT", url, strings.NewReader(body))
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return // the connection of a refused request is closed while its body is sent
			}
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
			mu.Lock()
			answers[res.StatusCode]++
			mu.Unlock()
		})
		if i%10 == 9 {
			time.Sleep(20 * time.Millisecond) // a load that grows, rather than all at once
		}
	}
	state := func() string { return g.Status().Memory.State }
	eventually(t, "requests are refused", func() bool { return state() == "most_refused" })
	for path, want := range map[string]int{"/": 503, "/vital": 200} {
		res, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want || want == 503 && res.Header.Get("Retry-After") == "" {
			t.Errorf("%s: got %d, want %d", path, res.StatusCode, want)
		}
	}
	close(release)
	clients.Wait()
	eventually(t, "it heals", func() bool { return state() == "enough" })
	if status, _ := get(t, url); status != 200 {
		t.Errorf("after it: got %d", status)
	}
	if answers[200] == 0 || g.Status().Memory.Refused == 0 {
		t.Errorf("got %v, and %+v", answers, g.Status().Memory)
	}
	t.Logf("%v, %+v", answers, g.Status().Memory)
}
