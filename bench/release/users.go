package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// users send requests, each when it is due whatever became of those before, and
// count what they get.
type users struct {
	address string
	client  *http.Client
	stop    context.CancelFunc
	asking  sync.WaitGroup

	mu       sync.Mutex
	requests map[string]int // by kind
	failures []string
	took     []time.Duration      // from when it was due, of plain requests
	errors   map[string]int       // answers of 5xx by version
	first    map[string]time.Time // when the first request that a version answered began
	last     map[string]time.Time // and the last
}

// kind is a kind of request, and which of how many are of it: those that leave a
// remainder.
type kind struct {
	name      string
	every     int
	remainder int
	ask       func(*users, time.Time) error
}

// plain are GETs alone.
var plain = []kind{{"get", 1, 0, (*users).get}}

// mixed are what applications send: a tenth has a body, some of which come
// slowly, and sessions that last.
var mixed = []kind{
	{"socket", 200, 0, (*users).socket}, {"events", 200, 100, (*users).events}, {"slow body", 100, 50, (*users).slow},
	{"post", 10, 5, (*users).post}, {"get", 1, 0, (*users).get},
}

// come starts users at a rate.
func come(ctx context.Context, address string, rate int, kinds []kind) *users {
	ctx, stop := context.WithCancel(ctx)
	u := &users{
		address: address, stop: stop, requests: map[string]int{}, errors: map[string]int{}, first: map[string]time.Time{}, last: map[string]time.Time{},
		client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1000}},
	}
	u.asking.Go(func() {
		began := time.Now()
		for n := 1; ; n++ {
			due := began.Add(time.Duration(n) * time.Second / time.Duration(rate))
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Until(due)):
			}
			i := slices.IndexFunc(kinds, func(k kind) bool { return n%k.every == k.remainder })
			u.asking.Go(func() { u.ask(kinds[i], due) })
		}
	})
	return u
}

func (u *users) ask(k kind, due time.Time) {
	err := k.ask(u, due)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.requests[k.name]++
	if err != nil {
		u.failures = append(u.failures, k.name+": "+err.Error())
	}
}

// leave ends the load and waits for what is under way.
func (u *users) leave() {
	u.stop()
	u.asking.Wait()
	u.client.CloseIdleConnections()
}

func (u *users) get(due time.Time) error { return u.send(due, "GET", nil) }

func (u *users) post(due time.Time) error {
	return u.send(due, "POST", strings.NewReader(strings.Repeat("body ", 200)))
}

// slow sends a body that takes half a second.
func (u *users) slow(time.Time) error {
	read, write := io.Pipe()
	go func() {
		for range 5 {
			_, _ = write.Write([]byte("a part of it\n"))
			time.Sleep(100 * time.Millisecond)
		}
		_ = write.Close()
	}()
	return u.send(time.Time{}, "POST", read)
}

func (u *users) send(due time.Time, method string, body io.Reader) error {
	req, err := http.NewRequest(method, "http://"+u.address+"/", body)
	if err != nil {
		return err
	}
	began := time.Now()
	res, err := u.client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	version := res.Header.Get("X-Version")
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.first[version].IsZero() {
		u.first[version] = began
	}
	if began.After(u.last[version]) {
		u.last[version] = began
	}
	if !due.IsZero() {
		u.took = append(u.took, time.Since(due))
	}
	if res.StatusCode != 200 {
		u.errors[version]++
		return fmt.Errorf("%s of version %q", res.Status, version)
	}
	return err
}

// events reads a stream to its end.
func (u *users) events(time.Time) error {
	res, err := u.client.Get("http://" + u.address + "/events")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && !strings.HasSuffix(string(text), "data: end\n\n") {
		err = fmt.Errorf("%s: a stream without its end: %q", res.Status, text)
	}
	return err
}

// socket talks over an upgraded connection for a while.
func (u *users) socket(time.Time) error {
	conn, err := net.Dial("tcp", u.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(conn, "GET /socket HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("%s", res.Status)
	}
	for i := range 10 {
		said := fmt.Sprintf("%d\n", i)
		if _, err := io.WriteString(conn, said); err != nil {
			return err
		}
		if heard, err := r.ReadString('\n'); err != nil || heard != said {
			return fmt.Errorf("line %d: %q, %w", i, heard, err)
		}
		time.Sleep(sessionTime / 10)
	}
	return nil
}

// quantile is of the times that requests took from when they were due.
func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
