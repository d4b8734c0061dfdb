package gateway

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// BenchmarkKeepAliveRequest is a GET of about a kilobyte, with every policy that
// a service has by default. The client and the endpoint allocate nothing, so
// that the allocations are the gateway's.
func BenchmarkKeepAliveRequest(b *testing.B) { benchmarkRequest(b, getRequest, "\r\n\r\n", oneService) }

// BenchmarkShortBody is a POST whose body is kept for a repeat.
func BenchmarkShortBody(b *testing.B) {
	benchmarkRequest(b, "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 512\r\n\r\n"+strings.Repeat("b", 512), "bbbb", oneService)
}

// BenchmarkStreamedBody is a POST whose body has no announced length.
func BenchmarkStreamedBody(b *testing.B) {
	benchmarkRequest(b, "POST / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n200\r\n"+strings.Repeat("b", 512)+"\r\n0\r\n\r\n", "\r\n0\r\n\r\n", oneService)
}

// BenchmarkRouting finds the last of a hundred routes of one host.
func BenchmarkRouting(b *testing.B) {
	benchmarkRequest(b, getRequest, "\r\n\r\n", func(s ServiceConfig) *Config {
		c := oneService(s)
		last := c.Routes[0]
		c.Routes = nil
		for range 99 {
			c.Routes = append(c.Routes, RouteConfig{Match: []MatchConfig{{Host: "shop.example", Path: &StringMatch{Prefix: "/other"}}}, To: last.To})
		}
		c.Routes = append(c.Routes, last)
		return c
	})
}

const getRequest = "GET /catalogue?page=2 HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n"

func benchmarkRequest(b *testing.B, request, end string, config func(ServiceConfig) *Config) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n"
	whole := []byte(answer + strings.Repeat("x", 1024))
	c := config(ServiceConfig{Endpoints: Addresses(parrot(b, end, whole))})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0"}}
	g := New(Options{})
	if err := g.Apply(c); err != nil {
		b.Fatal(err)
	}
	conn, err := net.Dial("tcp", g.Addresses()[0])
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	bytes, got := []byte(request), make([]byte, len(whole))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(bytes); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, got); err != nil {
			b.Fatal(err)
		}
	}
}

// parrot answers each request, as soon as its end has come, with the same bytes.
func parrot(b *testing.B, end string, answer []byte) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	talk := func(conn net.Conn) {
		defer conn.Close()
		in, n := make([]byte, 16<<10), 0
		for {
			read, err := conn.Read(in[n:])
			if n += read; err != nil {
				return
			}
			if n < len(end) || string(in[n-len(end):n]) != end {
				continue
			}
			if _, err := conn.Write(answer); err != nil {
				return
			}
			n = 0
		}
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go talk(conn)
		}
	}()
	return l.Addr().String()
}

// BenchmarkChoose is the choice of an endpoint, with its breaker's permission.
func BenchmarkChoose(b *testing.B) {
	for _, balance := range Balance("").Enum() {
		for _, n := range []int{1, 3, 10, 100} {
			b.Run(fmt.Sprint(balance, "/", n), func(b *testing.B) {
				c := ServiceConfig{Balance: Balance(balance), Endpoints: many(n)}
				s := newService("web", c, nothing{}, new(lag))
				s.setEndpoints(c.Endpoints)
				draw, at := uint64(0), time.Now()
				b.ReportAllocs()
				for b.Loop() {
					draw = mix(draw)
					c, _, _ := s.choose(demand{draw: draw, at: at})
					c.permit.Done(policy.Success)
					c.endpoint.inFlight.Add(-1)
				}
				s.close()
			})
		}
	}
}
