package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// paying is a route whose service counts payments, behind a gateway that serves
// each key once.
func paying(t *testing.T, c IdempotencyConfig, h http.HandlerFunc) (url string, paid *atomic.Int64) {
	paid = new(atomic.Int64)
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		n := paid.Add(1)
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Payment", fmt.Sprint(n))
		h(w, r)
		fmt.Fprintf(w, "paid %s", body)
	})
	conf := oneService(ServiceConfig{Endpoints: Addresses(address)})
	conf.Routes[0].Idempotency = &c
	_, url = start(t, conf)
	return url, paid
}

func created(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201) }

// pay posts with a key, in HTTP/1.1 or in HTTP/2.
func pay(t *testing.T, c *http.Client, url, key, body string, fields ...string) (*http.Response, string) {
	t.Helper()
	req, _ := http.NewRequest("POST", url, strings.NewReader(body))
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		req.Header.Set(name, value)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

func TestKeyIsServedOnce(t *testing.T) {
	for name, client := range map[string]*http.Client{"HTTP/1.1": http.DefaultClient, "HTTP/2": http2Client(t, nil)} {
		t.Run(name, func(t *testing.T) {
			url, paid := paying(t, IdempotencyConfig{}, created)
			for i := range 3 {
				res, body := pay(t, client, url, "k1", "5 EUR")
				if res.StatusCode != 201 || body != "paid 5 EUR" || res.Header.Get("X-Payment") != "1" {
					t.Fatalf("got %d %q, %v", res.StatusCode, body, res.Header)
				}
				if replayed := res.Header.Get("Idempotent-Replayed"); (replayed == "true") != (i > 0) {
					t.Errorf("answer %d: replayed is %q", i, replayed)
				}
			}
			if res, _ := pay(t, client, url, "k1", "6 EUR"); res.StatusCode != 422 {
				t.Errorf("another body with the key: got %d", res.StatusCode)
			}
			if res, _ := pay(t, client, url, "k1", "5 EUR", "Authorization: Bearer other"); res.Header.Get("X-Payment") != "2" {
				t.Errorf("another client got %v", res.Header)
			}
			if res, _ := pay(t, client, url, "a key", "5 EUR"); res.StatusCode != 400 {
				t.Errorf("a malformed key: got %d", res.StatusCode)
			}
			pay(t, client, url, "", "5 EUR")
			pay(t, client, url, "", "5 EUR")
			if n := paid.Load(); n != 4 {
				t.Errorf("paid %d times, want 4", n)
			}
		})
	}
}

func TestRepeatsAtTheSameTimeWaitForTheFirst(t *testing.T) {
	release := make(chan struct{})
	url, paid := paying(t, IdempotencyConfig{}, func(http.ResponseWriter, *http.Request) { <-release })
	var clients sync.WaitGroup
	for range 5 {
		clients.Go(func() {
			if res, body := pay(t, http.DefaultClient, url, "k", "1"); res.StatusCode != 200 || body != "paid 1" {
				t.Errorf("got %d %q", res.StatusCode, body)
			}
		})
	}
	eventually(t, "the first is served", func() bool { return paid.Load() == 1 })
	close(release)
	clients.Wait()
	if n := paid.Load(); n != 1 {
		t.Errorf("paid %d times", n)
	}
}

func TestRepeatThatMayNotWaitIsAConflict(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	url, paid := paying(t, IdempotencyConfig{Wait: -1}, func(http.ResponseWriter, *http.Request) { <-release })
	go http.DefaultClient.Do(keyed(url, "k"))
	eventually(t, "the first is served", func() bool { return paid.Load() == 1 })
	res, _ := pay(t, http.DefaultClient, url, "k", "1")
	if res.StatusCode != 409 || res.Header.Get("Retry-After") == "" {
		t.Errorf("got %d, %v", res.StatusCode, res.Header)
	}
}

func keyed(url, key string) *http.Request {
	req, _ := http.NewRequest("POST", url, strings.NewReader("1"))
	req.Header.Set("Idempotency-Key", key)
	return req
}

// TestAnswerIsKeptForAClientThatLeft: that it does not know how its payment
// went is why it has a key.
func TestAnswerIsKeptForAClientThatLeft(t *testing.T) {
	release := make(chan struct{})
	url, paid := paying(t, IdempotencyConfig{}, func(http.ResponseWriter, *http.Request) { <-release })
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: %s\r\nIdempotency-Key: k\r\nContent-Length: 1\r\n\r\n1", strings.TrimPrefix(url, "http://"))
	eventually(t, "it is served", func() bool { return paid.Load() == 1 })
	conn.Close()
	time.Sleep(2 * lookInterval) // for the gateway to notice, if it looked
	close(release)
	eventually(t, "the answer is there", func() bool {
		res, body := pay(t, http.DefaultClient, url, "k", "1")
		return res.StatusCode == 200 && body == "paid 1" && res.Header.Get("Idempotent-Replayed") == "true"
	})
	if n := paid.Load(); n != 1 {
		t.Errorf("paid %d times", n)
	}
}

func TestFailureFreesTheKey(t *testing.T) {
	var n atomic.Int64
	url, paid := paying(t, IdempotencyConfig{}, func(w http.ResponseWriter, _ *http.Request) {
		switch n.Add(1) {
		case 1:
			w.WriteHeader(500)
		case 2:
			panic(http.ErrAbortHandler)
		}
	})
	for i, want := range []int{500, 502, 200, 200} {
		if res, _ := pay(t, http.DefaultClient, url, "k", "1"); res.StatusCode != want {
			t.Errorf("request %d: got %d, want %d", i, res.StatusCode, want)
		}
	}
	if n := paid.Load(); n != 3 {
		t.Errorf("served %d times, want 3", n)
	}
}

func TestRequestWithAKeyIsRepeatedWhereTheServiceKnowsKeys(t *testing.T) {
	for repeat, want := range map[bool]int{false: 502, true: 200} {
		var n atomic.Int64
		url, _ := paying(t, IdempotencyConfig{Repeat: repeat}, func(http.ResponseWriter, *http.Request) {
			if n.Add(1) == 1 {
				panic(http.ErrAbortHandler)
			}
		})
		if res, _ := pay(t, http.DefaultClient, url, "k", "1"); res.StatusCode != want {
			t.Errorf("repeat %v: got %d, want %d", repeat, res.StatusCode, want)
		}
	}
}

func TestBodyWithAKeyIsReadWhole(t *testing.T) {
	url, paid := paying(t, IdempotencyConfig{BodyBytes: 1000, Required: true}, created)
	chunked := func(n int) int {
		req, _ := http.NewRequest("POST", url, io.LimitReader(neverending('x'), int64(n)))
		req.Header.Set("Idempotency-Key", "k")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	for _, c := range []struct{ n, want int }{{1001, 413}, {1000, 201}, {1000, 201}, {999, 422}} {
		if got := chunked(c.n); got != c.want {
			t.Errorf("%d bytes of unknown length: got %d, want %d", c.n, got, c.want)
		}
	}
	if res, _ := pay(t, http.DefaultClient, url, "l", strings.Repeat("x", 1001)); res.StatusCode != 413 {
		t.Errorf("too long a body: got %d", res.StatusCode)
	}
	if res, _ := pay(t, http.DefaultClient, url, "", "1"); res.StatusCode != 400 {
		t.Errorf("no key: got %d", res.StatusCode)
	}
	if n := paid.Load(); n != 1 {
		t.Errorf("paid %d times", n)
	}
}

type neverending byte

func (b neverending) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

func TestKeysOutliveAReload(t *testing.T) {
	var paid atomic.Int64
	address := origin(t, func(http.ResponseWriter, *http.Request) { paid.Add(1) })
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Routes[0].Idempotency = new(IdempotencyConfig)
	g, url := start(t, c)
	pay(t, http.DefaultClient, url, "k", "1")
	c.Routes[0].Idempotency = &IdempotencyConfig{KeepFor: time.Hour}
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	if res, _ := pay(t, http.DefaultClient, url, "k", "1"); res.Header.Get("Idempotent-Replayed") != "true" || paid.Load() != 1 {
		t.Errorf("paid %d times, %v", paid.Load(), res.Header)
	}
}
