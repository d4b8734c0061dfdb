package console

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/internal/journal"
)

// frame reads the next Live of a stream.
func frame(t *testing.T, lines *bufio.Scanner) (l Live) {
	t.Helper()
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				t.Fatal(err)
			}
			return l
		}
	}
	t.Fatalf("the stream has ended: %v", lines.Err())
	return l
}

func reads(t *testing.T, url string) *bufio.Scanner {
	t.Helper()
	res, err := http.Get(url + "/api/v1/stream")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatalf("Content-Type %q", got)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	return lines
}

func TestStreamTellsWhatIsLive(t *testing.T) {
	o := running(t)
	s := httptest.NewServer(Handler(o))
	t.Cleanup(s.Close)
	lines := reads(t, s.URL)
	first := frame(t, lines)
	if first.Status.Version != "v1" || len(first.Status.Gateway.Services) != 1 || first.Faults == nil {
		t.Fatalf("got %+v", first)
	}
	w := ask(t, Handler(o), "PUT", "/api/v1/services/web/endpoints/"+addressOf(o)+"/drain", `{"why": "x"}`)
	if w.Code != 200 {
		t.Fatal(w.Body)
	}
	for range 10 {
		if frame(t, lines).Status.Gateway.Services[0].Endpoints[0].State == "draining" {
			return
		}
	}
	t.Error("the drain is not told of")
}

func TestStreamTellsWhatWasChangedLately(t *testing.T) {
	o := running(t)
	s := httptest.NewServer(Handler(o))
	t.Cleanup(s.Close)
	for _, e := range []journal.Entry{
		{Kind: journal.KindConfigApplied, What: "long ago", Time: time.Now().Add(-time.Hour)},
		{Kind: journal.KindConfigApplied, What: "new configuration"},
		{Kind: journal.KindEndpoint, What: "endpoint down"},
	} {
		if _, err := o.Journal.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	if w := ask(t, Handler(o), "PUT", "/api/v1/services/web/endpoints/"+addressOf(o)+"/drain", `{"why": "new disk"}`); w.Code != 200 {
		t.Fatal(w.Body)
	}
	lines := reads(t, s.URL)
	for range 10 {
		if got := frame(t, lines).Changes; len(got) == 2 && got[0].What == "new configuration" && got[1].Why == "new disk" {
			return
		}
	}
	t.Error("the drain is not told of")
}

func TestStreamEndsWithItsServer(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.Config = NewServer(running(t))
	server.Start()
	lines := reads(t, server.URL)
	frame(t, lines)
	ended := make(chan error)
	go func() { ended <- server.Config.Shutdown(t.Context()) }()
	for lines.Scan() {
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestStreamEndsWhereItsReaderIsAdmittedNoMore as after a log-out.
func TestStreamEndsWhereItsReaderIsAdmittedNoMore(t *testing.T) {
	var out atomic.Bool
	s := newStream(func() Live { return Live{} }, func(*http.Request) bool { return !out.Load() })
	defer s.end()
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	defer server.Close()
	res, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	frames := 0
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "data:") {
			if frames++; frames == 1 {
				out.Store(true)
			}
		}
	}
	if frames != 1 || lines.Err() != nil {
		t.Errorf("got %d frames, %v", frames, lines.Err())
	}
}

func TestStreamBoundsItsReaders(t *testing.T) {
	s := newStream(func() Live { return Live{} }, anybody)
	defer s.end()
	for range streamReadersMax {
		if _, ok := s.join(); !ok {
			t.Fatal("refused too early")
		}
	}
	w := httptest.NewRecorder()
	s.serve(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("one too many: %d", w.Code)
	}
}

func TestStreamWorksOnlyWhileSomebodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made atomic.Int64
		s := newStream(func() Live { made.Add(1); return Live{} }, anybody)
		time.Sleep(time.Minute)
		if n := made.Load(); n != 0 {
			t.Errorf("nobody reads: %d frames", n)
		}
		quick, _ := s.join()
		slow, _ := s.join()
		for range 10 {
			<-quick
		}
		if len(slow) != 1 {
			t.Errorf("the slow one has %d frames", len(slow))
		}
		s.leave(quick)
		s.leave(slow)
		time.Sleep(time.Minute)
		if n := made.Load(); n > 12 {
			t.Errorf("nobody reads any more: %d frames", n)
		}
		again, _ := s.join()
		<-again
		s.end()
	})
}

func anybody(*http.Request) bool { return true }
