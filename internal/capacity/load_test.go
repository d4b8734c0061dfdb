package capacity

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestNewGeneratorNamesEverythingWrong(t *testing.T) {
	_, err := NewGenerator(Load{
		Targets:     []string{"https://example.com/", "http://", "http://ok.example/\x7f"},
		Rate:        -1,
		Duration:    -time.Second,
		Timeout:     -time.Second,
		Connections: -1,
		InFlightMax: -1,
		Arrival:     9,
		Method:      "GET /",
		Header:      http.Header{"A B": {"x"}, "C": {"x\r\nInjected: y"}},
	}, NewRecorder())
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`"https://example.com/"`, `"http://"`, "control character in URL", "rate -1", "duration -1s", "timeout -1s",
		"connections -1", "in flight at most -1", "arrival Arrival(9)", `method "GET /"`, `"A B"`, "header C",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
	if _, err := NewGenerator(Load{}, NewRecorder()); err == nil {
		t.Error("a load without target is accepted")
	}
}

func TestRequestIsWhatItSays(t *testing.T) {
	load := Load{
		Method: "POST",
		Header: http.Header{"Host": {"shop.example"}, "X-Two": {"a", "b"}, "Content-Length": {"99"}, "Connection": {"close"}},
		Body:   []byte("payload"),
	}
	target, err := load.targetOf("http://127.0.0.1/buy?item=1#top")
	if err != nil {
		t.Fatal(err)
	}
	if target.address != "127.0.0.1:80" {
		t.Errorf("address %q", target.address)
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(target.request)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if r.Method != "POST" || r.Host != "shop.example" || r.RequestURI != "/buy?item=1" || r.Close ||
		len(r.Header["X-Two"]) != 2 || string(body) != "payload" {
		t.Errorf("request is %q", target.request)
	}
	if len(load.Header) != 4 {
		t.Errorf("the caller's header was changed: %v", load.Header)
	}
}
