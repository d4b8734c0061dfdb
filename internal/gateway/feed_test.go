package gateway

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
	"github.com/afloat-dev/afloat/policy"
)

// pieces is a body that comes as the test sends it.
type pieces chan string

func (p pieces) Peek() ([]byte, error) { return nil, nil }
func (p pieces) Consume(int)           {}
func (p pieces) Read(b []byte) (int, error) {
	s, ok := <-p
	if !ok {
		return 0, io.EOF
	}
	if s == "broken" {
		return 0, io.ErrUnexpectedEOF
	}
	return copy(b, s), nil
}

func TestFeedBeginsAnewForALaterTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := make(pieces)
		f := newFeed(body, math.MaxInt64, -1, 100)
		first := f.tap()
		go func() { body <- "one " }()
		b := make([]byte, 10)
		if n, err := first.Read(b); err != nil || string(b[:n]) != "one " {
			t.Fatal(string(b[:n]), err)
		}
		ended := make(chan error, 1)
		go func() { _, err := first.Read(make([]byte, 10)); ended <- err }()
		synctest.Wait() // it waits for what comes next
		first.Close()
		if !f.replayable() {
			t.Error("what was kept is the whole")
		}
		second := f.tap()
		got := make(chan []byte, 1)
		go func() { all, _ := io.ReadAll(second); got <- all }()
		synctest.Wait()
		body <- "two " // which the first try's read takes
		<-ended
		body <- "three"
		close(body)
		if all := <-got; string(all) != "one two three" {
			t.Errorf("got %q", all)
		}
		if third, err := io.ReadAll(f.tap()); err != nil || string(third) != "one two three" || f.count != 13 {
			t.Errorf("got %q, %v", third, err)
		}
	})
}

func TestFeedKeepsNoMoreThanItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := make(pieces, 100)
		for range 50 {
			body <- "0123456789"
		}
		close(body)
		f := newFeed(body, math.MaxInt64, -1, 100)
		all, err := io.ReadAll(f.tap())
		if err != nil || !bytes.Equal(all, bytes.Repeat([]byte("0123456789"), 50)) || f.replayable() || f.kept != nil {
			t.Errorf("got %d bytes, %v, and can begin anew: %v", len(all), err, f.replayable())
		}
	})
}

func TestFeedEndsAtItsLimitAndWithItsSource(t *testing.T) {
	for _, last := range []string{"0123456789", "broken"} {
		body := make(pieces, 2)
		body <- "01234"
		body <- last
		f := newFeed(body, 10, -1, 100)
		all, err := io.ReadAll(f.tap())
		want := map[string]error{"broken": io.ErrUnexpectedEOF, "0123456789": http1.ErrTooLong}[last]
		if e, ok := errors.AsType[*http1.ReadError](err); !ok || !errors.Is(e, want) || string(all) != "01234" || f.replayable() {
			t.Errorf("got %q, %v", all, err)
		}
	}
}

// TestFeedBelongsToItsLength: what is more or less than was announced breaks
// off, and none of what is too much is passed on.
func TestFeedBelongsToItsLength(t *testing.T) {
	for _, test := range []struct {
		length int64
		whole  bool
	}{{9, false}, {10, true}, {11, false}} {
		body := make(pieces, 2)
		body <- "01234"
		body <- "56789"
		close(body)
		all, err := io.ReadAll(newFeed(body, math.MaxInt64, test.length, 100).tap())
		if (err == nil) != test.whole || int64(len(all)) > test.length {
			t.Errorf("%d announced: got %q, %v", test.length, all, err)
		}
	}
}

// TestBodyOfUnknownLengthIsRepeated has a first try fail while the client has
// more to send, which the second gets with what came before.
func TestBodyOfUnknownLengthIsRepeated(t *testing.T) {
	for name, test := range map[string]struct {
		replays int
		tries   int
		status  int
	}{
		"that is kept":     {0, 2, 200}, // 0 is 64 KiB
		"that is too long": {3, 1, 503},
	} {
		bodies := make(chan string, 10)
		var tried atomic.Bool
		address := origin(t, func(w http.ResponseWriter, r *http.Request) {
			if tried.Swap(true) {
				all, _ := io.ReadAll(r.Body)
				bodies <- string(all)
				return
			}
			first := make([]byte, len("one "))
			_, _ = io.ReadFull(r.Body, first)
			bodies <- string(first)
			w.WriteHeader(503)
		})
		c := ServiceConfig{Endpoints: Addresses(address), ReplayBytes: test.replays, Retry: policy.RetryConfig{Attempts: 1, Delay: time.Millisecond}}
		_, url := start(t, oneService(c))
		for protocol, client := range clients(t) {
			tried.Store(false)
			from, to := io.Pipe()
			go func() {
				_, _ = io.WriteString(to, "one ")
				if got := <-bodies; got != "one " {
					t.Errorf("%s in %s: the first try had %q", name, protocol, got)
				}
				_, _ = io.WriteString(to, "two")
				to.Close()
			}()
			req, _ := http.NewRequest("PUT", url, from)
			res, err := client.Do(req)
			if err != nil {
				t.Fatalf("%s in %s: %v", name, protocol, err)
			}
			res.Body.Close()
			if res.StatusCode != test.status {
				t.Errorf("%s in %s: got %d, want %d", name, protocol, res.StatusCode, test.status)
			}
			if test.tries == 2 {
				if all := <-bodies; all != "one two" {
					t.Errorf("%s in %s: the second try had %q", name, protocol, all)
				}
			}
		}
	}
}
