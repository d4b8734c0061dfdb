package gateway

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// crowd is more clients than a service has places for at first.
const crowd = 30

// busyWith has a crowd of clients begin something that takes as long as they
// like, and looks whether others are served meanwhile.
func busyWith(t *testing.T, c ServiceConfig, begin func(url string)) *Gateway {
	t.Helper()
	g, url := start(t, oneService(c))
	for i := range 20 {
		if status, _ := get(t, url+"/"); status != 200 {
			t.Fatalf("request %d before the crowd got %d", i, status)
		}
	}
	for range crowd {
		begin(url)
	}
	eventually(t, "the crowd is there", func() bool { return g.Status().Listeners[0].Connections >= crowd })
	eventually(t, "it takes no place", func() bool { return limitOf(g).InFlight == 0 })
	for i := range 20 {
		if status, body := get(t, url+"/"); status != 200 {
			t.Fatalf("beside the crowd, request %d got %d %q", i, status, body)
		}
	}
	if s := limitOf(g); s.RTT > 200*time.Millisecond || s.Shed > 0 {
		t.Errorf("the crowd's slowness is taken for the service's: %+v", s)
	}
	return g
}

// limitOf is the service's adaptive limit.
func limitOf(g *Gateway) (s struct {
	InFlight int
	Shed     uint64
	RTT      time.Duration
}) {
	st := g.table.Load().services["web"].concurrency.Status()
	s.InFlight, s.Shed, s.RTT = st.InFlight, st.Shed, st.RTT
	return s
}

// patient serves a page, what is uploaded, a stream, and a large file.
func patient(t *testing.T) ServiceConfig {
	file := strings.Repeat("x", 8<<20)
	hold := make(chan struct{})
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/file":
			io.WriteString(w, file)
		case r.URL.Path == "/events":
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "data: 1\n\n")
			w.(http.Flusher).Flush()
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		case r.Header.Get("Upgrade") != "":
			conn, b, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			io.Copy(conn, b)
		default:
			n, _ := io.Copy(io.Discard, r.Body)
			fmt.Fprintf(w, "got %d", n)
		}
	})
	t.Cleanup(func() { close(hold) })
	return unhurried(address)
}

// unhurried has requests wait for a place for as long as a loaded machine may
// take to give them one.
func unhurried(address string) ServiceConfig {
	return ServiceConfig{Endpoints: Addresses(address), Concurrency: policy.AdaptiveConfig{WaitMax: 5 * time.Second}}
}

func TestSlowUploadsLeaveTheServiceToOthers(t *testing.T) {
	var slow []*caller
	busyWith(t, patient(t), func(url string) {
		conn := connect(t, url)
		conn.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
		slow = append(slow, conn)
	})
	for _, conn := range slow {
		conn.send("2\r\nyz\r\n0\r\n\r\n")
	}
	for _, conn := range slow {
		if res, body := conn.answer("POST"); res.StatusCode != 200 || body != "got 3" {
			t.Fatalf("got %d %q", res.StatusCode, body)
		}
	}
}

func TestSlowUploadsOfHTTP2LeaveTheServiceToOthers(t *testing.T) {
	c := http2Client(t, nil)
	var ends []*io.PipeWriter
	answers := make(chan error, crowd)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	begin := func(url string) {
		body, w := io.Pipe()
		ends = append(ends, w)
		req, _ := http.NewRequestWithContext(ctx, "POST", url, body)
		go func() {
			res, err := c.Do(req)
			if err == nil {
				got, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if string(got) != "got 3" {
					err = fmt.Errorf("got %d %q", res.StatusCode, got)
				}
			}
			answers <- err
		}()
		io.WriteString(w, "x")
	}
	g, url := start(t, oneService(patient(t)))
	for range crowd {
		begin(url)
	}
	eventually(t, "they take no place", func() bool {
		return g.Status().Services[0].Streams == crowd && limitOf(g).InFlight == 0
	})
	if status, body := get(t, url+"/"); status != 200 {
		t.Fatalf("another client got %d %q", status, body)
	}
	for _, w := range ends {
		io.WriteString(w, "yz")
		w.Close()
	}
	for range crowd {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	eventually(t, "all are done", func() bool { s := g.Status().Services[0]; return s.Streams == 0 && s.InFlight == 0 })
}

func TestUploadThatHasComeTakesAPlaceAgain(t *testing.T) {
	hold := make(chan struct{})
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-hold })
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	conn := connect(t, url)
	conn.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
	eventually(t, "it has no place while the body comes", func() bool { return g.Status().Services[0].Streams == 1 })
	if n := limitOf(g).InFlight; n != 0 {
		t.Errorf("%d places are taken", n)
	}
	conn.send("0\r\n\r\n")
	eventually(t, "it has one while the service works", func() bool { return limitOf(g).InFlight == 1 })
	close(hold)
	if res, _ := conn.answer("POST"); res.StatusCode != 200 {
		t.Errorf("got %d", res.StatusCode)
	}
	eventually(t, "nothing is under way", func() bool { s := g.Status().Services[0]; return s.InFlight == 0 && s.Streams == 0 })
}

func TestWebSocketsLeaveTheServiceToOthers(t *testing.T) {
	g := busyWith(t, patient(t), func(url string) {
		conn := connect(t, url)
		conn.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		if res, err := http.ReadResponse(conn.r, nil); err != nil || res.StatusCode != 101 {
			t.Fatalf("got %v, %v", res, err)
		}
	})
	if n := g.Status().Services[0].Streams; n != crowd {
		t.Errorf("%d are under way", n)
	}
}

func TestEventStreamsLeaveTheServiceToOthers(t *testing.T) {
	busyWith(t, patient(t), func(url string) {
		conn := connect(t, url)
		conn.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
		if res, err := http.ReadResponse(conn.r, nil); err != nil || res.StatusCode != 200 {
			t.Fatalf("got %v, %v", res, err)
		}
	})
}

// reluctant is a client that reads next to nothing.
func reluctant(t *testing.T, url string) *caller {
	t.Helper()
	conn := connect(t, url)
	_ = conn.Conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	return conn
}

func TestSlowReadersLeaveTheServiceToOthers(t *testing.T) {
	var slow []*caller
	busyWith(t, patient(t), func(url string) {
		conn := reluctant(t, url)
		conn.send("GET /file HTTP/1.1\r\nHost: a\r\n\r\n")
		slow = append(slow, conn)
	})
	if n, err := io.CopyN(io.Discard, slow[0].r, 64<<10); err != nil {
		t.Errorf("one that reads on got %d bytes, %v", n, err)
	}
}

func TestSlowReadersOfHTTP2LeaveTheServiceToOthers(t *testing.T) {
	g, url := start(t, oneService(patient(t)))
	f := newFrames(t, strings.TrimPrefix(url, "http://"))
	for i := range crowd { // each has a window of 64 KiB that nobody makes larger
		f.headers(uint32(2*i+1), true, ":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/file")
	}
	eventually(t, "they take no place", func() bool {
		return g.Status().Services[0].Streams == crowd && limitOf(g).InFlight == 0
	})
	if status, _ := get(t, url+"/"); status != 200 {
		t.Errorf("another client got %d", status)
	}
}

// TestWholeAnswersToSlowReadersTakeNoPlace: the service has done all that it was
// asked for.
func TestWholeAnswersToSlowReadersTakeNoPlace(t *testing.T) {
	page := strings.Repeat("x", 3<<10)
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, page) })
	busyWith(t, unhurried(address), func(url string) {
		conn := reluctant(t, url)
		_ = conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		for range 200 { // pipelined, until nobody reads them
			if _, err := io.WriteString(conn, strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 100)); err != nil {
				break
			}
		}
	})
}

func TestStreamsUnderWayAreBounded(t *testing.T) {
	c := patient(t)
	c.StreamsUnderWayMax, c.StallTimeout = 2, 100*time.Millisecond
	for name, request := range map[string]string{
		"upgrade": "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"events":  "GET /events HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			g, url := start(t, oneService(c))
			join := func() (*caller, *http.Response) {
				conn := connect(t, url)
				conn.send(request)
				res, err := http.ReadResponse(conn.r, nil)
				if err != nil {
					t.Fatal(err)
				}
				return conn, res
			}
			first, _ := join()
			join()
			if _, res := join(); res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
				t.Fatalf("one too many got %d, %v", res.StatusCode, res.Header)
			}
			if status, _ := get(t, url+"/"); status != 200 {
				t.Errorf("a request that is no stream got %d", status)
			}
			first.Close()
			eventually(t, "one has gone", func() bool { return g.Status().Services[0].Streams == 1 })
			if _, res := join(); res.StatusCode == 503 {
				t.Errorf("with room again: %d", res.StatusCode)
			}
		})
	}
}

// TestFailureAfterAStreamIsNoStream has a first try that is answered by a stream
// and fails, and another that fails without an answer, while there is no room for
// streams.
func TestFailureAfterAStreamIsNoStream(t *testing.T) {
	var failed atomic.Bool
	c := unhurried(origin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		switch {
		case r.URL.Path == "/long":
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case failed.Swap(true):
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(503)
			io.WriteString(w, "data: 1\n\n")
			w.(http.Flusher).Flush()
		}
	}))
	c.StreamsUnderWayMax, c.StallTimeout = 1, 100*time.Millisecond
	g, url := start(t, oneService(c))
	long := connect(t, url)
	long.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
	eventually(t, "the stream is under way", func() bool { return g.Status().Services[0].Streams == 1 })
	if status, body := get(t, url+"/"); status != 502 || !failed.Load() {
		t.Errorf("got %d %q", status, body)
	}
	long.Close()
}

func TestSlowBodiesBeyondTheBoundKeepTheirPlaces(t *testing.T) {
	c := patient(t)
	c.StreamsUnderWayMax = 1
	g, url := start(t, oneService(c))
	var slow []*caller
	for range 3 {
		conn := connect(t, url)
		conn.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
		slow = append(slow, conn)
	}
	eventually(t, "one of them has none", func() bool {
		return g.Status().Services[0].Streams == 1 && limitOf(g).InFlight == 2
	})
	for _, conn := range slow {
		conn.send("0\r\n\r\n")
		if res, _ := conn.answer("POST"); res.StatusCode != 200 {
			t.Errorf("got %d", res.StatusCode)
		}
	}
	eventually(t, "nothing is under way", func() bool { s := g.Status().Services[0]; return s.Streams == 0 && s.InFlight == 0 })
}

func TestBodyBelowTheLeastRateIsEnded(t *testing.T) {
	for name, by := range map[string]*http.Client{"HTTP/1.1": {Transport: new(http.Transport)}, "HTTP/2": http2Client(t, nil)} {
		for rate, want := range map[int]int{0: 408, -1: 200} { // by default, and where any will do
			c := oneService(patient(t))
			c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", StallTimeout: 300 * time.Millisecond, BodyRateMin: rate}}
			_, url := start(t, c)
			body, w := io.Pipe()
			go func() {
				for range 10 { // each in time for the stallTimeout, and all for more than a second
					if _, err := io.WriteString(w, "x"); err != nil {
						return
					}
					time.Sleep(100 * time.Millisecond)
				}
				w.Close()
			}()
			req, _ := http.NewRequest("POST", url, body)
			res, err := by.Do(req)
			if err != nil {
				t.Errorf("%s, least rate %d: %v", name, rate, err)
				continue
			}
			res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("%s, least rate %d: got %d, want %d", name, rate, res.StatusCode, want)
			}
		}
		by.CloseIdleConnections()
	}
}

func TestBodyIsNotSlowWhileItsEndpointIs(t *testing.T) {
	read := make(chan struct{})
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		<-read
		io.Copy(io.Discard, r.Body)
	})
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", StallTimeout: 200 * time.Millisecond}}
	g, url := start(t, c)
	time.AfterFunc(time.Second, func() { close(read) })
	answered := make(chan error, 1)
	go func() {
		res, err := http.Post(url, "text/plain", io.LimitReader(endless{}, 32<<20))
		if err == nil && res.StatusCode != 200 {
			err = fmt.Errorf("got %d", res.StatusCode)
		}
		answered <- err
	}()
	eventually(t, "it is under way", func() bool { return g.Status().Services[0].InFlight == 1 })
	time.Sleep(200 * time.Millisecond)
	if n := limitOf(g).InFlight; n != 1 {
		t.Errorf("%d places are taken while the endpoint does not read", n)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
}
