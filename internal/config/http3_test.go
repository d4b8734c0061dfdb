package config

import (
	"fmt"
	"testing"
)

func TestHTTP3BelongsToAListener(t *testing.T) {
	for text, want := range map[string]string{
		"listen: 0.0.0.0:443\ntls: {cert: a.pem}\nhttp3: {port: 443}\nservices: {web: {endpoints: [127.0.0.1:1]}}": "",
		"http3: {}\nservices: {web: {endpoints: [127.0.0.1:1]}}":                                                   "a.yaml:1:8: http3: belongs to the address under listen, and there is none; write listen: HOST:PORT, or put it below one of listeners",
		"listen: 80\nhttp3: {}\nservices: {web: {endpoints: [127.0.0.1:1]}}":                                       "a.yaml:2:8: http3: needs tls: HTTP/3 is always encrypted",
	} {
		a, problems := Assemble([]Source{{"a.yaml", []byte(text)}}, Options{})
		got := ""
		for _, p := range problems {
			got += fmt.Sprint(p)
		}
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", text, got, want)
		}
		if want == "" {
			if got := a.Explain()[0]; got != "Requests come in on 0.0.0.0:443 over TLS, and by HTTP/3 over UDP." {
				t.Errorf("got %s", got)
			}
		}
	}
}
