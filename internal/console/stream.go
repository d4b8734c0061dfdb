package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// streamInterval is how often a stream tells something.
	streamInterval = time.Second
	// streamReadersMax bounds the readers of a stream.
	streamReadersMax = 100
	// streamWriteMax is how long a reader may take for one frame.
	streamWriteMax = 10 * time.Second
)

// stream tells many readers the same, once a second, as server-sent events. It
// works only while somebody reads. A reader who is slow misses frames and holds
// up nobody. That a frame comes each second is its heartbeat.
type stream struct {
	live   func() Live
	admits func(*http.Request) bool // still
	ended  chan struct{}

	mu      sync.Mutex // guards what follows
	readers map[chan []byte]bool
	over    bool
	running bool
}

func newStream(live func() Live, admits func(*http.Request) bool) *stream {
	return &stream{live: live, admits: admits, ended: make(chan struct{}), readers: map[chan []byte]bool{}}
}

// end lets all readers go, so that a server that shuts down need not wait.
func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.over = true
		close(s.ended)
	}
}

// join adds a reader. Its channel holds the newest frame that it has not read.
func (s *stream) join() (frames chan []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || len(s.readers) >= streamReadersMax {
		return nil, false
	}
	frames = make(chan []byte, 1)
	s.readers[frames] = true
	if !s.running {
		s.running = true
		go s.run()
	}
	return frames, true
}

func (s *stream) leave(frames chan []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.readers, frames)
}

// run tells the readers what is live until there is none.
func (s *stream) run() {
	tick := time.NewTicker(streamInterval)
	defer tick.Stop()
	for s.tell() {
		select {
		case <-s.ended:
			return
		case <-tick.C:
		}
	}
}

// tell makes a frame, once for all, and reports whether anybody reads.
func (s *stream) tell() bool {
	text, err := json.Marshal(s.live())
	frame := fmt.Appendf(nil, "event: live\ndata: %s\n\n", text)
	if err != nil {
		frame = fmt.Appendf(nil, ": %v\n\n", err) // a comment: the line is alive
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for frames := range s.readers {
		select {
		case <-frames: // which was not read
		default:
		}
		frames <- frame // has room: only this sends
	}
	s.running = len(s.readers) > 0
	return s.running
}

func (s *stream) serve(w http.ResponseWriter, r *http.Request) {
	frames, ok := s.join()
	if !ok {
		w.Header().Set("Retry-After", "5")
		http.Error(w, fmt.Sprintf("%d read the stream already, or Afloat is ending", streamReadersMax), http.StatusServiceUnavailable)
		return
	}
	defer s.leave(frames)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // of proxies between
	to := http.NewResponseController(w)
	if _, err := fmt.Fprint(w, "retry: 1000\n\n"); err != nil || to.Flush() != nil {
		return
	}
	for {
		select {
		case <-r.Context().Done():
			return
		case <-s.ended:
			return
		case frame := <-frames:
			if !s.admits(r) { // who has logged out meanwhile, or whose time is up
				return
			}
			_ = to.SetWriteDeadline(time.Now().Add(streamWriteMax)) // an error shows in the write
			if _, err := w.Write(frame); err != nil || to.Flush() != nil {
				return
			}
		}
	}
}
