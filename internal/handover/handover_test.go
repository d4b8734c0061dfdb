package handover

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const patience = 20 * time.Second

func soon() time.Time { return time.Now().Add(patience) }

// pair is two ends in one process.
func pair(t *testing.T) (*Conn, *Conn) {
	t.Helper()
	a, file, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestListenerGoesOnInTheOtherProcess(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewStore()
	if err := s.Put("listener", map[string]string{"address": "a"}, l.(*net.TCPListener)); err != nil {
		t.Fatal(err)
	}
	a, b := pair(t)
	taken := make(chan error, 1)
	go func() {
		if err := s.SendTo(a); err != nil {
			taken <- err
			return
		}
		taken <- AwaitTaken(a, soon())
	}()
	in, err := Receive(b, soon())
	if err != nil {
		t.Fatal(err)
	}
	e, ok := in.Take("listener")
	if !ok || string(e.Value) != `{"address":"a"}` || len(e.Files) != 1 {
		t.Fatalf("got %v, %s, %d files", ok, e.Value, len(e.Files))
	}
	address := l.Addr().String()
	l.Close()
	again, err := net.FileListener(e.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	CloseFiles(e.Files)
	defer again.Close()
	if err := in.Taken(); err != nil {
		t.Fatal(err)
	}
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp4", address)
	if err != nil {
		t.Fatalf("nobody listens after the first closed: %v", err)
	}
	conn.Close()
}

func TestReceiverThatEndsTakesNothing(t *testing.T) {
	s := NewStore()
	if err := s.Put("a", 1); err != nil {
		t.Fatal(err)
	}
	a, b := pair(t)
	go func() {
		if in, err := Receive(b, soon()); err == nil {
			in.Close()
		}
	}()
	if err := s.SendTo(a); err != nil {
		t.Fatal(err)
	}
	if err := AwaitTaken(a, soon()); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

func TestHolderOutlivesTheStoreAndHandsOn(t *testing.T) {
	a, b := pair(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	s := NewStore()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(s.Put("before", "1"))
	s.Attach(a)
	check(s.Put("pipe", "1", read))
	check(s.Set("pipe", "2"))
	check(s.Set("none", "2"))
	check(s.Put("gone", "1", read))
	s.Remove("gone")
	check(s.Lend("lent", "1", read))
	check(s.Set("lent", "2"))
	held := make(chan *Holder)
	go func() { held <- Hold(b) }()
	if _, err := write.WriteString("said meanwhile\n"); err != nil {
		t.Fatal(err)
	}
	a.Close()
	read.Close()
	h := <-held
	defer h.Close()
	for range 2 { // the first that comes takes nothing
		c, d := pair(t)
		done := make(chan error, 1)
		go func() { done <- h.SendTo(c, soon()) }()
		in, err := Receive(d, soon())
		check(err)
		if got := strings.Join(in.Keys(""), " "); got != "before pipe" {
			t.Fatalf("got %s", got)
		}
		e, _ := in.Take("pipe")
		if string(e.Value) != `"2"` || len(e.Files) != 1 {
			t.Fatalf("got %s, %d files", e.Value, len(e.Files))
		}
		if h.Empty() {
			t.Error("it is empty before anybody took it")
		}
		in.Close()
		if err := <-done; !errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
		check(e.Files[0].SetReadDeadline(soon()))
		CloseFiles(e.Files)
	}
}

func TestMessageThatIsTooLongIsRefused(t *testing.T) {
	a, _ := pair(t)
	long := strings.Repeat("x", MessageMax)
	if err := a.Send(Message{Key: long}, patience); err == nil {
		t.Error("no error")
	}
}

func TestDoorIsFoundWhereSomebodyWaits(t *testing.T) {
	folder := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if c, err := Knock(folder); c != nil || err != nil {
		t.Fatalf("got %v, %v where nobody was", c, err)
	}
	for range 2 { // the second takes the place of the first
		door, err := OpenDoor(folder)
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		go func() {
			c, err := AnswerDoor(door, soon())
			if err == nil {
				err = c.Send(Message{Key: "hello"}, patience)
				c.Close()
			}
			answered <- err
		}()
		c, err := Knock(folder)
		if err != nil || c == nil {
			t.Fatalf("got %v, %v", c, err)
		}
		if m, _, err := c.Receive(soon()); err != nil || m.Key != "hello" {
			t.Errorf("got %v, %v", m, err)
		}
		c.Close()
		if err := <-answered; err != nil {
			t.Error(err)
		}
		if _, err := AnswerDoor(door, time.Now().Add(time.Millisecond)); err == nil {
			t.Error("somebody came")
		}
		door.Close()
	}
	if c, err := Knock(folder); c != nil || err != nil {
		t.Fatalf("got %v, %v after they went", c, err)
	}
}

// TestKeeperThatEndsBeforeItAnswersHoldsNothing closes a door before which
// somebody waits.
func TestKeeperThatEndsBeforeItAnswersHoldsNothing(t *testing.T) {
	folder := t.TempDir()
	door, err := OpenDoor(folder)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, func() { door.Close() })
	if in, err := Claim(folder, soon()); in != nil || err != nil {
		t.Errorf("got %v, %v", in, err)
	}
}
