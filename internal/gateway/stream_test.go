package gateway

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestResponseStreamsWhileItIsWritten(t *testing.T) {
	goOn := make(chan struct{})
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "data: first\n\n")
		w.(http.Flusher).Flush()
		<-goOn
		io.WriteString(w, "data: second\n\n")
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	r := bufio.NewReader(res.Body)
	if line, _ := r.ReadString('\n'); line != "data: first\n" {
		t.Fatalf("got %q", line)
	}
	close(goOn) // the first event came before the second was written
	rest, err := io.ReadAll(r)
	if err != nil || !strings.Contains(string(rest), "second") {
		t.Fatalf("got %q, %v", rest, err)
	}
}

func TestRequestStreamsWhileItIsWritten(t *testing.T) {
	first := make(chan string, 1)
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, 5)
		io.ReadFull(r.Body, b)
		first <- string(b)
		rest, _ := io.ReadAll(r.Body)
		w.Write(rest)
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	pr, pw := io.Pipe()
	req, _ := http.NewRequest("POST", url, pr) // of unknown length: chunked
	answered := make(chan string, 1)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		answered <- string(body)
	}()
	io.WriteString(pw, "first")
	if got := <-first; got != "first" {
		t.Fatalf("got %q", got)
	}
	io.WriteString(pw, "second")
	pw.Close()
	if got := <-answered; got != "second" {
		t.Fatalf("got %q", got)
	}
}

func TestEarlyAnswerEndsALongUpload(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close") // else net/http waits for the whole body first
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		io.WriteString(w, "enough")
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n") // and no more
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(res.Body); res.StatusCode != 413 || string(body) != "enough" {
		t.Fatalf("got %d %q", res.StatusCode, body)
	}
}

func TestLargeBodiesPassWholeBothWays(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		io.Copy(w, r.Body)
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	for _, size := range []int{1, 1000, 64 << 10, 64<<10 + 1, 5 << 20} {
		sent := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		res, err := http.Post(url, "text/plain", strings.NewReader(sent))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || string(got) != sent {
			t.Fatalf("%d bytes: got %d, %v", size, len(got), err)
		}
	}
}

func TestBrokenResponseIsNotTakenForWhole(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err == nil {
		t.Fatalf("the client took %q for whole", body)
	}
}

func TestUpgradeJoinsBothSides(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+r.Header.Get("Upgrade")+"\r\n\r\n")
		rw.Flush()
		for {
			line, err := rw.ReadString('\n')
			if err != nil {
				return
			}
			io.WriteString(rw, "echo "+line)
			rw.Flush()
		}
	})
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "websocket" {
		t.Fatalf("got %+v, %v", res, err)
	}
	for _, word := range []string{"one\n", "two\n"} {
		io.WriteString(conn, word)
		if line, _ := r.ReadString('\n'); line != "echo "+word {
			t.Fatalf("got %q", line)
		}
	}
	conn.Close()
	eventually(t, "the tunnel gives its place back", func() bool { return g.Status().Services[0].InFlight == 0 })
}

func TestStreamHoldsItsPlaceUntilItsBodyEnds(t *testing.T) {
	goOn := make(chan struct{})
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-goOn
	})
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	if n := g.Status().Services[0].InFlight; n != 1 {
		t.Errorf("%d in flight while the body streams", n)
	}
	close(goOn)
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	eventually(t, "the place is free", func() bool { return g.Status().Services[0].InFlight == 0 })
}

func TestClientThatGoesAwayFreesItsPlaceAndBlamesNobody(t *testing.T) {
	hold := make(chan struct{})
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { <-hold })
	defer close(hold)
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	for range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
		if _, err := http.DefaultClient.Do(req); err == nil {
			t.Fatal("the service answered")
		}
		cancel()
	}
	eventually(t, "the places are free", func() bool { return g.Status().Services[0].InFlight == 0 })
	e := g.Status().Services[0].Endpoints[0]
	if e.State != "up" || e.Failures != 0 {
		t.Fatalf("the endpoint is blamed: %+v", e)
	}
}

func TestUnaskedSwitchOfProtocolsIsRefused(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n")
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	for _, upgrade := range []string{"", "Connection: Upgrade\r\nUpgrade: websocket\r\n"} {
		answer := raw(t, url, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"+upgrade+"\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(answer, "HTTP/1.1 502 ") {
			t.Fatalf("got %q", answer)
		}
	}
}
