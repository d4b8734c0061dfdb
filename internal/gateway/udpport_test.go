package gateway

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// sharing are the sockets of a gateway whose UDP port another one has.
type sharing struct {
	ownSockets
	address string
}

func (s sharing) ListenPacket(string) (*net.UDPConn, error) { return ListenPacket(s.address, true) }

// running is a gateway whose origin answers with a name, or waits for release
// before.
type running struct {
	*Gateway
	begun   chan struct{}
	release func()
	address string
	stop    func()
}

func runNamed(t *testing.T, a *authority, name string, s Sockets) (*running, *tls.Config) {
	t.Helper()
	hold := make(chan struct{})
	r := &running{begun: make(chan struct{}), release: sync.OnceFunc(func() { close(hold) })}
	c, trust := withHTTP3(a, ServiceConfig{Endpoints: Addresses(origin(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/slow" {
			close(r.begun)
			<-hold
		}
		_, _ = w.Write([]byte(name))
	}))})
	r.Gateway = New(Options{Sockets: s})
	if err := r.Apply(c); err != nil {
		t.Fatal(err)
	}
	r.address = r.Addresses()[0]
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); r.Serve(ctx) }()
	r.stop = sync.OnceFunc(func() { cancel(); <-ended })
	t.Cleanup(r.stop)
	t.Cleanup(r.release)
	return r, trust
}

// TestPortOfHTTP3IsSharedWithAnotherProcess has a second gateway join a port:
// connections stay where they are, new ones come to it, and when either ends
// the other has all.
func TestPortOfHTTP3IsSharedWithAnotherProcess(t *testing.T) {
	a := newAuthority(t)
	first, trust := runNamed(t, a, "first", nil)
	url := "https://" + first.address
	ask := func(client *http.Client, want string) {
		t.Helper()
		if res, body := do(t, client, "GET", url, ""); res.StatusCode != 200 || body != want {
			t.Fatalf("got %d %q, want %q", res.StatusCode, body, want)
		}
	}
	var early []*http.Client
	for range 20 {
		c := http3Client(t, trust)
		ask(c, "first")
		early = append(early, c)
	}
	if err := first.Share(); err != nil {
		t.Fatal(err)
	}
	ask(http3Client(t, trust), "first") // nobody shares it yet

	for _, name := range []string{"second, which fails", "second"} {
		second, _ := runNamed(t, a, name, sharing{address: first.address})
		for range 20 {
			ask(http3Client(t, trust), name)
		}
		for _, c := range early {
			ask(c, "first")
		}
		if name == "second" {
			break
		}
		second.stop()
		for range 20 {
			ask(http3Client(t, trust), "first")
		}
	}

	slow := http3Client(t, trust)
	slow.Transport = early[0].Transport
	answered := make(chan string, 1)
	go func() {
		_, body := do(t, slow, "GET", url+"/slow", "")
		answered <- body
	}()
	<-first.begun
	first.Leave()
	go first.stop()
	for _, c := range early[1:] {
		eventually(t, "it goes to the second", func() bool {
			_, body := do(t, c, "GET", url, "")
			return body == "second"
		})
	}
	first.release()
	if got := <-answered; got != "first" {
		t.Errorf("got %q", got)
	}
	first.stop()
	for range 20 {
		ask(http3Client(t, trust), "second")
	}
	for _, c := range early {
		ask(c, "second")
	}
}

func TestUDPPortThatIsNotSharedHasOneOwner(t *testing.T) {
	one, err := ListenPacket("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	at := one.LocalAddr().String()
	if two, err := ListenPacket(at, false); err == nil {
		two.Close()
		t.Error("a second one has it too")
	}
	two, err := ListenPacket(at, true)
	if err != nil {
		t.Fatal(err)
	}
	two.Close()
}

// TestConnectionIDsBeginWithTheMark looks at what a client is given.
func TestConnectionIDsBeginWithTheMark(t *testing.T) {
	m, other := newMark(), newMark()
	seen := map[string]bool{}
	for range 100 {
		id, err := m.GenerateConnectionID()
		if err != nil || id.Len() != m.ConnectionIDLen() || !strings.HasPrefix(string(id.Bytes()), string(first4(m))) || seen[string(id.Bytes())] {
			t.Fatalf("got %v, %v", id, err)
		}
		seen[string(id.Bytes())] = true
	}
	if m == other {
		t.Error("two ports have the same mark")
	}
}

func first4(m portMark) []byte { return []byte{byte(m >> 24), byte(m >> 16), byte(m >> 8), byte(m)} }
