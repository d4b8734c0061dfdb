package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// folder writes files into a new folder and works in it.
func folder(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const web = "services: {web: {endpoints: [127.0.0.1:9001]}}\n"

func TestLoadSaysInOneLineWhatCannotBeRead(t *testing.T) {
	folder(t, map[string]string{
		"a.yaml": web, "nothing/readme.txt": "", "empty.yaml": "", "junk.yaml": "\x7fELF\x02\x01\x01\x00\xff\xfe", "nul.yaml": "a: \x00",
		"large.yaml": "# " + strings.Repeat("x", 4<<20),
	})
	for _, tt := range []struct{ names, want string }{
		{"missing.yaml", "missing.yaml:1:1: cannot be read: no such file or directory"},
		{"a.yaml/b.yaml", "a.yaml/b.yaml:1:1: cannot be read: not a directory"},
		{"nothing", "nothing:1:1: the folder has no *.yaml file; name a file"},
		{"a.yaml ./a.yaml", "./a.yaml:1:1: the file is given twice; name it once"},
		{"empty.yaml", "empty.yaml:1:1: the file says nothing; write at least services: or name another file"},
		{"junk.yaml", "junk.yaml:1:1: the line is not valid UTF-8"},
		{"nul.yaml", "nul.yaml:1:4: the line has a NUL character"},
		{"large.yaml", "large.yaml:1:1: the file has more than 4 MiB"},
		{"missing.yaml empty.yaml", "empty.yaml:1:1: the file says nothing; write at least services: or name another file\nmissing.yaml:1:1: cannot be read: no such file or directory"},
	} {
		a, problems := Load(strings.Fields(tt.names), Options{})
		if got := problems.Error(); got != tt.want || a != nil {
			t.Errorf("%s\ngot  %s\nwant %s", tt.names, got, tt.want)
		}
	}
}

func TestLoadReadsFoldersAndStandardInput(t *testing.T) {
	folder(t, map[string]string{"d/1.yaml": web, "d/2.yml": "routes: [{to: [{service: web}]}]\n", "d/notes.txt": "no YAML", "d/sub/3.yaml": "no: map"})
	a, problems := Load([]string{"d", "-"}, Options{Input: strings.NewReader("listen: 8888\n")})
	if a == nil {
		t.Fatal(problems)
	}
	if diff := cmp.Diff([]string{"d", "d/1.yaml", "d/2.yml"}, a.Files); diff != "" {
		t.Error(diff)
	}
	if a.Gateway.Listeners[0].Address != "8888" || len(a.Gateway.Routes) != 1 {
		t.Errorf("%+v", a.Gateway)
	}
	_, problems = Load([]string{"-"}, Options{Input: strings.NewReader("listne: 1\n")})
	if got := problems.Error(); got != "<stdin>:1:1: listne: unknown field; did you mean listen?" {
		t.Error(got)
	}
}

func TestLoadFindsCommandsThatAreNotThere(t *testing.T) {
	folder(t, map[string]string{
		"a.yaml": "services:\n  web:\n    timeout: 5\n    process: {command: [./nowhere], preStop: {exec: 1}}\n  api:\n    process: {command: [no-such-program-anywhere, -v]}\n  far:\n    process: {command: [sleep, '1'], dir: nowhere}\n",
		"d.yaml": strings.Replace(string(deploymentText(t)), "image: nginx:1.20", "command: [./nowhere]", 1),
	})
	_, problems := Load([]string{"a.yaml"}, Options{})
	want := `a.yaml:1:1: routes: with more than one service, routes must say which requests go where; write routes: [{match: [{path: {prefix: /}}], to: [{service: NAME}]}]
a.yaml:3:14: services.web.timeout: want a duration such as 500ms, got 5; write 5s
a.yaml:4:47: services.web.process.preStop.exec: unknown field; known here: command, http, sleep
a.yaml:6:25: services.api.process.command[0]: command not found: no-such-program-anywhere (looked in PATH)
a.yaml:8:43: services.far.process.dir: directory does not exist: nowhere`
	if diff := cmp.Diff(want, problems.Error()); diff != "" {
		t.Error(diff)
	}
	_, problems = Load([]string{"d.yaml"}, Options{})
	if got, want := problems.Errors().Error(), "d.yaml:23:19: spec.template.spec.containers[0].command[0]: command not found: ./nowhere"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func deploymentText(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(packageFolder, articleDeployment))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestLoadFindsCertificatesThatCannotBeUsed(t *testing.T) {
	folder(t, map[string]string{
		"a.yaml": "listen: 127.0.0.1:8443\ntls:\n  cert: missing.pem\n  key: junk.pem\nservices:\n  web:\n    endpoints: [127.0.0.1:9001]\n    tls: {ca: junk.pem, insecureSkipVerify: true}\n",
		"b.yaml": web + "tls: {cert: missing.pem}\n", "junk.pem": "no PEM",
	})
	_, problems := Load([]string{"a.yaml"}, Options{})
	want := `a.yaml:3:9: tls.cert: missing.pem cannot be read: no such file or directory
a.yaml:8:15: services.web.tls.ca: says nothing with insecureSkipVerify, which takes any certificate: remove one of them
a.yaml:8:45: warning: services.web.tls.insecureSkipVerify: anyone between Afloat and the endpoints can read and change everything; name the file of their CA under ca`
	if diff := cmp.Diff(want, problems.Error()); diff != "" {
		t.Error(diff)
	}
	_, problems = Load([]string{"b.yaml"}, Options{})
	if got, want := problems.Error(), "b.yaml:2:6: tls: belongs to the address under listen, and there is none; write listen: HOST:PORT, or put it below one of listeners"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// packageFolder is where tests begin.
var packageFolder, _ = os.Getwd()

func TestLoadWarnsOfHostsWithoutAddress(t *testing.T) {
	folder(t, map[string]string{"a.yaml": "services: {web: {endpoints: [127.0.0.1:1, nowhere.invalid:80, here:80, nowhere.invalid:81]}, api: {endpoints: [x:1]}}\nroutes: [{to: [{service: web}]}]\n"})
	asked := 0
	a, problems := Load([]string{"a.yaml"}, Options{Upstreams: []string{"api=there.invalid:80"}, Resolve: func(host string) error {
		asked++
		if strings.HasSuffix(host, ".invalid") {
			return errors.New("no such host")
		}
		return nil
	}})
	want := `--upstream:1:1: warning: the host there.invalid has no address now: no such host; check its spelling
a.yaml:1:43: warning: services.web.endpoints[1]: the host nowhere.invalid has no address now: no such host; check its spelling
a.yaml:1:72: warning: services.web.endpoints[3]: the host nowhere.invalid has no address now: no such host; check its spelling`
	if diff := cmp.Diff(want, problems.Error()); diff != "" || a == nil || asked != 3 {
		t.Errorf("asked %d times\n%s", asked, diff)
	}
}

func TestSidecarHasNoRouteThatTakesAll(t *testing.T) {
	o := Options{Outbound: []string{"127.0.0.1:15001"}}
	if a := assembled(t, o, Source{"a.yaml", []byte(web)}); len(a.Gateway.Routes) != 0 || len(a.Gateway.Listeners) != 1 || a.Gateway.Listeners[0].Transparent == nil {
		t.Errorf("%+v", a.Gateway)
	}
	if a := assembled(t, Options{Inbound: []string{"0.0.0.0:15006"}}, Source{"a.yaml", []byte(web)}); !a.Gateway.Listeners[0].Transparent.Inbound {
		t.Errorf("%+v", a.Gateway.Listeners)
	}
	const two = "services: {a: {endpoints: [192.0.2.1:80]}, b: {endpoints: [192.0.2.2:80]}}\n"
	assembled(t, o, Source{"a.yaml", []byte(two)})
	assembled(t, Options{}, Source{"a.yaml", []byte(two + "sidecar: {outbound: {unrouted: refuse}}\n")})
	if _, problems := Assemble([]Source{{"a.yaml", []byte(two)}}, Options{}); problems.Err() == nil {
		t.Error("two services without a sidecar need no routes")
	}
	for _, o := range []Options{{}, o} {
		_, problems := Assemble([]Source{{"a.yaml", []byte(two + "sidecar:\n  outbound: {unrouted: maybe}\n")}}, o)
		if got := problems.Error(); !strings.Contains(got, "a.yaml:3:24:") || !strings.Contains(got, "maybe") {
			t.Errorf("got %s", got)
		}
	}
}

func TestUpstreamOfFilesWithoutServicesIsTold(t *testing.T) {
	_, problems := Assemble([]Source{{"a.yaml", []byte("listen: 127.0.0.1:8081\n")}}, Options{Upstreams: []string{"web=127.0.0.1:9001"}})
	if got, want := problems.Error(), "unknown service web; the files name no service: name one in them, or leave the files out"; !strings.Contains(got, want) {
		t.Errorf("got %s", got)
	}
}

func TestArgumentsAreCheckedLikeFiles(t *testing.T) {
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{Upstreams: []string{"wbe=127.0.0.1:9001"}}, "--upstream:1:1: unknown service wbe; did you mean web?"},
		{Options{Upstreams: []string{"payments=127.0.0.1:9001"}}, "--upstream:1:1: unknown service payments; the services are web"},
		{Options{Upstreams: []string{"127.0.0.1:9001"}}, "--upstream:1:1: want a name and endpoints, got 127.0.0.1:9001; write NAME=HOST:PORT,HOST:PORT"},
		{Options{Upstreams: []string{"web=127.0.0.1"}}, `--upstream:1:1: want host:port such as 127.0.0.1:9001, got "127.0.0.1"; write NAME=HOST:PORT,HOST:PORT`},
		{Options{Upstreams: []string{"web=127.0.0.1:1,127.0.0.1:1"}}, "--upstream:1:1: the endpoint 127.0.0.1:1 is there twice; write NAME=HOST:PORT,HOST:PORT"},
		{Options{Upstreams: []string{"web=127.0.0.1:1", "web=127.0.0.1:2"}}, "--upstream:1:1: web is given twice; name it once, with its endpoints separated by commas"},
		{Options{Listen: "nowhere"}, `--listen:1:1: want host:port such as 127.0.0.1:8080, got "nowhere"`},
		{Options{Listen: "9900"}, "--listen:1:1: the admin listener has the address 127.0.0.1:9900 too; choose another port, or write admin: {address: HOST:PORT}"},
	} {
		_, problems := Assemble([]Source{{"a.yaml", []byte(web)}}, tt.o)
		if got := problems.Error(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
	a := assembled(t, Options{Upstreams: []string{"web=127.0.0.1:1"}, Listen: "9000"})
	if a.Gateway.Listeners[0].Address != "9000" || len(a.Gateway.Routes) != 1 || a.Runnable() != nil {
		t.Errorf("upstreams alone: %+v", a.Gateway)
	}
}
