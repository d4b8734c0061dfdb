package supervise

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

func TestValidateNamesEveryProblem(t *testing.T) {
	http := func(p HTTPProbe) *ProbeConfig { return &ProbeConfig{HTTP: &p} }
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   []string // fields
	}{
		{"good", func(*Config) {}, nil},
		{"no command", func(c *Config) { c.Command = nil }, []string{"command"}},
		{"empty program and NUL", func(c *Config) { c.Command = []string{"", "a\x00"} }, []string{"command[0]", "command[1]"}},
		{"name", func(c *Config) { c.Name = "a/b" }, []string{"name"}},
		{"env", func(c *Config) { c.Env = map[string]string{"1x": "", "PORT": "1", "PORT_80": "1", "PORTAL": ""} },
			[]string{"env.1x", "env.PORT", "env.PORT_80"}},
		{"replicas", func(c *Config) { c.Replicas = 1001 }, []string{"replicas"}},
		{"negative", func(c *Config) { c.Replicas, c.Grace = -1, -time.Second }, []string{"replicas", "grace"}},
		{"ports", func(c *Config) { c.Ports = []int{0, 80, 80, 70000} }, []string{"ports[0]", "ports[2]", "ports[3]"}},
		{"probe port", func(c *Config) { c.Readiness = http(HTTPProbe{Port: 9090}) }, []string{"readiness.http.port"}},
		{"probe path", func(c *Config) { c.Liveness = http(HTTPProbe{Path: "health"}) }, []string{"liveness.http.path"}},
		{"probe scheme and header", func(c *Config) {
			c.Liveness = http(HTTPProbe{Scheme: "ftp", Headers: map[string]string{"A B": "c", "X": "a\nb"}})
		}, []string{"liveness.http.scheme", "liveness.http.headers.A B", "liveness.http.headers.X"}},
		{"no probe", func(c *Config) { c.Startup = &ProbeConfig{} }, []string{"startup"}},
		{"two probes", func(c *Config) {
			c.Startup = &ProbeConfig{TCP: &TCPProbe{}, Exec: &ExecConfig{Command: []string{"true"}}}
		}, []string{"startup"}},
		{"grpc", func(c *Config) { c.Liveness = &ProbeConfig{GRPC: &GRPCProbe{Port: 9090}} }, []string{"liveness.grpc.port"}},
		{"thresholds", func(c *Config) {
			c.Liveness = &ProbeConfig{TCP: &TCPProbe{}, SuccessThreshold: 2, FailureThreshold: -1, Period: 25 * time.Hour}
			c.Readiness = &ProbeConfig{TCP: &TCPProbe{}, SuccessThreshold: 2, Grace: time.Second}
		}, []string{"readiness.grace", "liveness.period", "liveness.failureThreshold", "liveness.successThreshold"}},
		{"restart", func(c *Config) { c.Restart = RestartConfig{Policy: "sometimes", DelayMin: time.Minute} },
			[]string{"restart.policy", "restart.delayMin"}},
		{"rolling both 0", func(c *Config) { c.Rolling = RollingConfig{MaxUnavailable: "0", MaxSurge: "0%"} },
			[]string{"rolling.maxUnavailable"}},
		{"rolling", func(c *Config) {
			c.Rolling = RollingConfig{MaxUnavailable: "101%", MaxSurge: "-1", MinReady: time.Hour}
		},
			[]string{"rolling.maxUnavailable", "rolling.maxSurge", "rolling.minReady"}},
		{"preStop", func(c *Config) { c.PreStop = &PreStopConfig{} }, []string{"preStop"}},
		{"log", func(c *Config) { c.Log = &LogConfig{SizeMax: 1, FilesMax: -1, AgeMax: -1} },
			[]string{"log.path", "log.sizeMax", "log.filesMax", "log.ageMax"}},
		{"two preStops", func(c *Config) {
			c.PreStop = &PreStopConfig{HTTP: &HTTPProbe{Port: 9090}, Sleep: time.Second}
		}, []string{"preStop.http.port", "preStop"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := Config{Name: "web", Command: []string{"web"}, Ports: []int{8080}}
			test.change(&c)
			var got []string
			if joined, ok := c.Validate().(interface{ Unwrap() []error }); ok {
				for _, err := range joined.Unwrap() {
					var field *FieldError
					if !errors.As(err, &field) {
						t.Fatalf("not a FieldError: %v", err)
					}
					got = append(got, field.Field)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if test.want == nil && c.WithDefaults().Validate() != nil {
				t.Errorf("with defaults: %v", c.WithDefaults().Validate())
			}
		})
	}
}

func TestConfigFromYAML(t *testing.T) {
	var c Config
	err := yaml.UnmarshalWithOptions([]byte(`
command: [./web, --port, $(PORT)]
ports: [8080]
replicas: 3
readiness:
  http: {path: /health, port: 8080}
  initialDelay: 5s
  period: 10s
restart: {policy: onFailure, delayMax: 5s}
rolling: {maxUnavailable: 1, maxSurge: 25%}
preStop: {command: [sleep, "1"]}
`), &c, yaml.Strict())
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Command: []string{"./web", "--port", "$(PORT)"}, Ports: []int{8080}, Replicas: 3,
		Readiness: &ProbeConfig{
			HTTP: &HTTPProbe{Path: "/health", Port: 8080}, InitialDelay: 5 * time.Second, Period: 10 * time.Second,
		},
		Restart: RestartConfig{Policy: RestartOnFailure, DelayMax: 5 * time.Second},
		Rolling: RollingConfig{MaxUnavailable: "1", MaxSurge: "25%"},
		PreStop: &PreStopConfig{Command: []string{"sleep", "1"}},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	if err := yaml.Unmarshal([]byte("rolling: {maxSurge: [1]}"), &c); err == nil {
		t.Error("no error for a list")
	}
}

func TestShareRounding(t *testing.T) {
	for _, test := range []struct {
		value           IntOrPercent
		total, down, up int
	}{{"0", 3, 0, 0}, {"2", 3, 2, 2}, {"25%", 3, 0, 1}, {"25%", 4, 1, 1}, {"100%", 7, 7, 7}, {"0%", 5, 0, 0}} {
		down, err := test.value.Of(test.total, false)
		up, err2 := test.value.Of(test.total, true)
		if down != test.down || up != test.up || err != nil || err2 != nil {
			t.Errorf("%s of %d: got %d and %d, want %d and %d", test.value, test.total, down, up, test.down, test.up)
		}
	}
	for _, bad := range []IntOrPercent{"", "-1", "+1", "x", "1.5", "101%", "%", "-5%"} {
		if n, err := bad.Of(10, false); err == nil {
			t.Errorf("%q: got %d, want an error", bad, n)
		}
	}
	if unavailable, surge := (RollingConfig{MaxUnavailable: "10%", MaxSurge: "0"}).Bounds(3); unavailable != 1 || surge != 0 {
		t.Errorf("got %d and %d, want one unavailable where rounding leaves none", unavailable, surge)
	}
}

func TestRevisionIsThatOfTheTemplate(t *testing.T) {
	c := Config{Name: "web", Command: []string{"web"}}
	same, other := c, c
	same.Replicas, same.Rolling.MaxSurge, same.Grace = 5, "3", 30*time.Second
	other.Env = map[string]string{"A": "b"}
	if c.Revision() != same.Revision() {
		t.Error("the number of replicas or a written default changed the revision")
	}
	if c.Revision() == other.Revision() {
		t.Error("a changed environment did not change the revision")
	}
}

func TestCheckFindsWhatTheMachineLacks(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("web", 0o755)
	write("text", 0o644)
	for _, test := range []struct {
		name   string
		config Config
		want   []string
	}{
		{"relative to dir", Config{Command: []string{"./web"}, Dir: dir}, nil},
		{"in PATH of Env", Config{Command: []string{"web"}, Env: map[string]string{"PATH": "/nowhere:" + dir}}, nil},
		{"expanded", Config{Command: []string{"$(BIN)/web"}, Env: map[string]string{"BIN": dir}}, nil},
		{"missing", Config{Command: []string{"./no"}, Dir: dir}, []string{"command[0]: command not found: ./no"}},
		{"not in PATH", Config{Command: []string{"no-such-command"}}, []string{"command[0]: command not found: no-such-command (looked in PATH)"}},
		{"not executable", Config{Command: []string{"./text"}, Dir: dir}, []string{"command[0]: not executable: ./text"}},
		{"a directory", Config{Command: []string{dir}}, []string{"command[0]: not executable: " + dir + " is a directory"}},
		{"no dir", Config{Command: []string{"./web"}, Dir: dir + "/no"}, []string{"dir: directory does not exist: " + dir + "/no"}},
		{"dir is a file", Config{Command: []string{"./web"}, Dir: dir + "/web"}, []string{"dir: not a directory: " + dir + "/web"}},
		{"probe and preStop", Config{
			Command: []string{"./web"}, Dir: dir, PreStop: &PreStopConfig{Command: []string{"./a"}},
			Liveness: &ProbeConfig{Exec: &ExecConfig{Command: []string{"./b"}}},
		}, []string{"preStop.command[0]: command not found: ./a", "liveness.exec.command[0]: command not found: ./b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, err := range test.config.Check() {
				got = append(got, err.Error())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExpandAsKubernetesDoes(t *testing.T) {
	env := newEnvironment([]string{"HOME=/root", "X=outer"}, map[string]string{
		"A": "a-$(B)", "B": "b-$(PORT)", "LOOP": "$(LOOP)", "X": "inner-$(X)",
	}, "m/web/1", []int{8080, 9090}, []int{20001, 20002})
	for in, want := range map[string]string{
		"$(PORT)":            "20001",
		"$(PORT_9090)":       "20002",
		"a$(A)z":             "aa-b-20001z",
		"$(X)":               "inner-outer",
		"$(LOOP)":            "$(LOOP)",
		"$(NONE) $(HOME)":    "$(NONE) /root",
		"$$(PORT) $$ $":      "$(PORT) $ $",
		"$$$(PORT)":          "$20001",
		"$PORT ${PORT} $(PO": "$PORT ${PORT} $(PO",
		"":                   "",
	} {
		if got := env.expand([]string{in})[0]; got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if first := env.list()[0]; !strings.HasPrefix(first, markerName+"=m/web/1") {
		t.Errorf("the marker is not first: %q", first)
	}
}

func TestPortPoolHandsOutNothingTwice(t *testing.T) {
	p := &portPool{low: 28000, high: 28063, held: map[int]bool{}}
	seen := map[int]bool{}
	var last []int
	for {
		ports, err := p.take(2)
		if err != nil {
			if !errors.Is(err, errNoPort) || len(seen) < 32 {
				t.Errorf("after %d ports: %v", len(seen), err)
			}
			break
		}
		for _, port := range ports {
			if seen[port] {
				t.Fatalf("%d twice", port)
			}
			seen[port] = true
		}
		last = ports
	}
	p.release(last)
	if again, err := p.take(2); err != nil || !seen[again[0]] {
		t.Errorf("got %v, %v after a release", again, err)
	}
}
