package config

import (
	"slices"
	"strings"
	"testing"
)

func TestTracingIsToldAndItsSecretsAreNot(t *testing.T) {
	traced := func(token string) *Assembly {
		return assembled(t, Options{}, Source{"a.yaml", []byte(web + "tracing: {endpoint: 'http://127.0.0.1:4318', slow: 500ms, headers: {Authorization: " + token + "}}\n")})
	}
	a := traced("hunter2")
	if want := "Traces of 1% of the requests, and of all those that fail or take 500ms, go to http://127.0.0.1:4318."; !slices.Contains(a.Explain(), want) {
		t.Errorf("explained as %q", a.Explain())
	}
	if got := traced("hunter3").Diff(a); !slices.Equal(got, []string{"tracing: headers.Authorization changed"}) {
		t.Errorf("the change is told as %q", got)
	}
}

func TestTracingIsChecked(t *testing.T) {
	for text, want := range map[string]string{
		"tracing: {endpoint: 'grpc://127.0.0.1:4317'}":               "tracing.endpoint",
		"tracing: {sample: 5%}":                                      "tracing",
		"tracing: {endpoint: 'http://127.0.0.1:4318', sample: 200%}": "tracing.sample",
	} {
		_, problems := Assemble([]Source{{"a.yaml", []byte(web + text + "\n")}}, Options{})
		if len(problems) != 1 || !strings.HasPrefix(problems[0].Path, want) {
			t.Errorf("%s: %v", text, problems)
		}
	}
}
