package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSeveralFilesAreTakenAsOne(t *testing.T) {
	a := assembled(t, Options{},
		Source{"1.yaml", []byte("listen: 8080\nservices: {web: {endpoints: [127.0.0.1:9001]}}\n---\nservices: {api: {endpoints: [127.0.0.1:9002]}}\n")},
		Source{"2.yaml", []byte("listen: 8081\nadmin: {address: off}\nroutes:\n- {match: [{path: {prefix: /api}}], to: [{service: api}]}\n- to: [{service: web}]\n")},
	)
	if len(a.Gateway.Listeners) != 2 || len(a.Gateway.Services) != 2 || len(a.Gateway.Routes) != 2 || !a.Admin.Off() {
		t.Errorf("%+v", a)
	}
}

func TestWhatIsSaidTwiceIsRefusedWithBothPlaces(t *testing.T) {
	_, problems := Assemble([]Source{
		{"1.yaml", []byte("listen: 8080\nadmin: {address: off}\n" + web)},
		{"2.yaml", []byte("listen: 8080\n" + web + "admin: {address: 127.0.0.1:9999}\n")},
	}, Options{})
	want := `2.yaml:1:9: listen: another listener has the address 127.0.0.1:8080
2.yaml:2:17: services.web: the service stands twice, first at 1.yaml:3; keep one of them, or give one another name
2.yaml:3:8: admin: is said before, at 1.yaml:2; keep one of them`
	if diff := cmp.Diff(want, problems.Error()); diff != "" {
		t.Error(diff)
	}
	d := withCommand(t, "./web")
	_, problems = Assemble([]Source{d, {"again.yaml", d.Data}, {"own.yaml", []byte("services: {web-app: {process: {command: [./web]}}}\n")}}, Options{})
	for _, want := range []string{
		"again.yaml:5:9: metadata.name: the Deployment stands twice, first at kube/testdata/article.yaml:5; keep one of them",
		"kube/testdata/article.yaml:5:9: metadata.name: the service has a process already, at own.yaml:1; keep one of them",
	} {
		if !strings.Contains(problems.Error(), want) {
			t.Errorf("got  %v\nwant %s", problems, want)
		}
	}
}

func TestAnAfloatFileSaysThePoliciesOfADeployment(t *testing.T) {
	a := assembled(t, Options{}, withCommand(t, "./web"), Source{"own.yaml", []byte("services: {web-app: {balance: roundRobin}}\n")})
	if len(a.Processes) != 1 || a.Gateway.Services["web-app"].Balance != "roundRobin" {
		t.Errorf("%+v", a)
	}
}

func TestSecretsAreTakenFromTheEnvironmentAndNotTold(t *testing.T) {
	a := assembled(t, Options{Env: environment}, Source{"a.yaml", []byte("admin: {address: 0.0.0.0:9900, token: '${SECRET}'}\n" + web)})
	if a.Admin.Token != "hunter2" {
		t.Error("the token is not that of the environment")
	}
	other := assembled(t, Options{}, Source{"a.yaml", []byte("admin: {address: 0.0.0.0:9900, token: 12345}\n" + web)})
	told := strings.Join(append(a.Explain(), a.Diff(other)...), "\n")
	if strings.Contains(told, "hunter2") || strings.Contains(told, "12345") || !strings.Contains(told, "admin: token changed") {
		t.Error(told)
	}
}
