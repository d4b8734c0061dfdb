package config

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiffSaysInWordsWhatChanged(t *testing.T) {
	const before = `listen: 8080
services:
  web:
    endpoints: [127.0.0.1:9001, 127.0.0.1:9002]
    timeout: 5s
    retry: {budget: {share: 10%}}
    process: {command: [sleep, "1"]}
  old: {endpoints: [127.0.0.1:9009]}
routes:
- {name: a, match: [{path: {prefix: /a}}], to: [{service: old}]}
- {name: b, to: [{service: web}]}
`
	const after = `listen: 8081
log: {level: debug}
services:
  web:
    endpoints: [127.0.0.1:9002, 127.0.0.1:9003]
    timeout: 1m
    breaker: {openDuration: 1s}
    process: {command: [sleep, "2"], replicas: 2}
  new: {endpoints: [127.0.0.1:9009]}
routes:
- {name: a, match: [{path: {prefix: /b}, headers: {x: {}}}], to: [{service: new}]}
- {name: b, to: [{service: web}]}
`
	old := assembled(t, Options{}, Source{"a.yaml", []byte(before)})
	a := assembled(t, Options{}, Source{"a.yaml", []byte(after)})
	want := []string{
		"listener 8080 removed",
		"listener 8081 added",
		"log: level is debug, was info",
		"process web: command[1] is 2, was 1",
		"process web: replicas is 2, was the default",
		"route a: match[0].headers[x] added",
		"route a: match[0].path.prefix is /b, was /a",
		"route a: to[0].service is new, was old",
		"service new added",
		"service old removed",
		"service web: breaker.openDuration is 1s, was the default",
		"service web: endpoints[127.0.0.1:9001] removed",
		"service web: endpoints[127.0.0.1:9003] added",
		"service web: retry.budget.share is the default, was 10%",
		"service web: timeout is 1m, was 5s",
	}
	if diff := cmp.Diff(want, a.Diff(old)); diff != "" {
		t.Error(diff)
	}
	if got := a.Diff(a); got != nil {
		t.Errorf("no change is told as %v", got)
	}
	if got := a.Diff(nil); len(got) != 14 {
		t.Errorf("from nothing: %v", got)
	}
}

func TestDiffTellsTheOrderOfRoutes(t *testing.T) {
	routes := func(first, second string) Source {
		return Source{"a.yaml", []byte(web + "routes:\n- " + first + "\n- " + second + "\n")}
	}
	const a, b = "{name: a, match: [{host: a}], to: [{service: web}]}", "{name: b, match: [{host: b}], to: [{service: web}]}"
	got := assembled(t, Options{}, routes(b, a)).Diff(assembled(t, Options{}, routes(a, b)))
	if diff := cmp.Diff([]string{"routes stand in another order"}, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzAssemble(f *testing.F) {
	for _, seed := range []string{web, "listen: 8080\nroutes: [{match: [{host: a}], to: [{service: b, weight: 1}]}]\n" + web,
		"services: {web: {process: {command: [sleep], env: {a.b: c}, readiness: {http: {headers: {a.b: c}}}}}}"} {
		f.Add(seed)
	}
	for _, name := range []string{articleVirtualService, articleDeployment, "kube/testdata/full.yaml", "../../examples/quickstart/afloat.yaml"} {
		data, err := readSeed(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, problems := Assemble([]Source{{"f.yaml", []byte(text)}}, Options{Env: environment, Upstreams: []string{"web=127.0.0.1:9001"}})
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 || p.File == "" || strings.Contains(p.Message, "\n") {
				t.Errorf("not one line with a place: %#v", p)
			}
		}
		if (a == nil) != (problems.Err() != nil) {
			t.Fatalf("assembly %v with %v", a, problems)
		}
		if a == nil {
			return
		}
		if err := a.Gateway.Validate(); err != nil {
			t.Errorf("the gateway refuses what passed: %v", err)
		}
		for _, p := range a.Processes {
			if err := p.Validate(); err != nil {
				t.Errorf("the supervisor refuses what passed: %v", err)
			}
		}
		a.Explain()
		a.Diff(nil)
		_ = a.Runnable()
	})
}

func readSeed(name string) (string, error) {
	data, err := os.ReadFile(name)
	return string(data), err
}
