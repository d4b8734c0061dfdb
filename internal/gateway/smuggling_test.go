package gateway

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// boundary is a case of testdata/smuggling.txt.
type boundary struct {
	name, verdict string
	paths         []string
	bytes         string
}

func boundaries(t testing.TB) (all []boundary) {
	t.Helper()
	text, err := os.ReadFile("testdata/smuggling.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line == "\n" || line[0] == '#' {
			continue
		}
		parts := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(parts) != 3 {
			t.Fatalf("want three parts: %s", line)
		}
		bytes, err := strconv.Unquote(parts[2])
		if err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		verdict := strings.Fields(parts[1])
		all = append(all, boundary{parts[0], verdict[0], verdict[1:], bytes})
	}
	return all
}

// sightings are the requests that an origin saw, by path.
type sightings struct {
	mu    sync.Mutex
	paths []string
	torn  int // whose body did not end well
}

func (s *sightings) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, err := io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.torn++
		return
	}
	s.paths = append(s.paths, r.URL.Path)
}

func (s *sightings) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.paths = nil }()
	return s.paths
}

// TestGatewayAndOriginAgreeOnEveryBoundary sends each case to a gateway before
// a server of net/http. What the client gets answers to, and what the origin
// sees, must be the same requests.
func TestGatewayAndOriginAgreeOnEveryBoundary(t *testing.T) {
	all := boundaries(t)
	if len(all) < 150 {
		t.Fatalf("only %d cases", len(all))
	}
	var seen sightings
	address := origin(t, seen.ServeHTTP)
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", HeaderTimeout: 2 * time.Second, StallTimeout: 2 * time.Second}}
	_, url := start(t, c)
	for i := range 2 * len(all) {
		b, name, piece := all[i/2], all[i/2].name, len(all[i/2].bytes)
		if i%2 == 1 { // the same, in many reads
			name, piece = name+", piece by piece", 7
		}
		t.Run(name, func(t *testing.T) {
			statuses, ended := exchangeAll(t, url, b.bytes, piece, max(1, len(b.paths)))
			b.check(t, statuses, seen.take(), ended)
			// The next client's request on the kept connections is its own.
			if status, _ := get(t, url+"/next"); status != 200 {
				t.Errorf("the next client got %d", status)
			}
			if next := seen.take(); !slices.Equal(next, []string{"/next"}) {
				t.Errorf("after it the origin saw %q", next)
			}
		})
	}
}

// exchangeAll sends all bytes, so many at a time, ends its side after so many
// answers, and returns the final statuses of all that come back. A client that
// ends its side before has no interest in answers, so far as the gateway knows.
func exchangeAll(t *testing.T, url, request string, piece, answers int) (statuses []int, ended bool) {
	t.Helper()
	conn := connect(t, url)
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	for part := range slices.Chunk([]byte(request), piece) {
		_, _ = conn.Write(part) // it may be refused before its end
	}
	method, _, _ := strings.Cut(strings.TrimLeft(request, "\r\n"), " ")
	r := bufio.NewReader(conn)
	for {
		res, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return statuses, !expired(err)
		}
		if res.StatusCode < 200 {
			continue
		}
		method = "GET" // of all that follow the first
		statuses = append(statuses, res.StatusCode)
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			return statuses, !expired(err)
		}
		if len(statuses) == answers {
			_ = conn.Conn.(*net.TCPConn).CloseWrite()
		}
	}
}

func (b *boundary) check(t *testing.T, statuses []int, seen []string, ended bool) {
	t.Helper()
	if slices.Contains(seen, "/smuggled") {
		t.Errorf("a request was smuggled: the origin saw %q, the client got %v", seen, statuses)
	}
	if !ended {
		t.Errorf("the connection did not end after %v", statuses)
	}
	good := 0
	for _, s := range statuses {
		if s < 400 {
			good++
		}
	}
	if good != len(seen) {
		t.Errorf("the client got %v for what the origin saw as %q", statuses, seen)
	}
	refused := len(statuses) > 0 && statuses[len(statuses)-1] >= 400
	whole := slices.Equal(seen, b.paths)
	switch b.verdict {
	case "refuse":
		if len(seen) > 0 || len(statuses) != 1 || !refused {
			t.Errorf("want a refusal; got %v, and the origin saw %q", statuses, seen)
		}
	case "pass":
		if !whole {
			t.Errorf("want %q, got %v, and the origin saw %q", b.paths, statuses, seen)
		}
	case "last":
		if !whole || len(statuses) != len(b.paths) {
			t.Errorf("want %q and an end, got %v, and the origin saw %q", b.paths, statuses, seen)
		}
	case "either":
		if !whole && !refused {
			t.Errorf("want %q or a refusal, got %v, and the origin saw %q", b.paths, statuses, seen)
		}
	default:
		t.Errorf("unknown verdict %q", b.verdict)
	}
}
