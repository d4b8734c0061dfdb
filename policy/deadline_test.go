package policy

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bounded makes a context that ends after d, of one kind or the other.
type bounded func(parent context.Context, d time.Duration) (context.Context, context.CancelFunc)

func bySetting(d time.Duration) *TimeoutError { return &TimeoutError{After: d} }

func lazyTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	c := &deadlineContext{parent: parent, deadline: time.Now().Add(d), cause: bySetting(d)}
	return c, c.cancel
}

func stdTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(parent, d, bySetting(d))
}

// TestDeadlineContextDoesWhatPackageContextDoes runs the same random stories
// with both, and compares what everybody who looks has seen.
func TestDeadlineContextDoesWhatPackageContextDoes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for i := range uint64(3000) {
		var seen [2][]string
		for j, make := range []bounded{lazyTimeout, stdTimeout} {
			synctest.Test(t, func(t *testing.T) { seen[j] = story(rand.New(rand.NewPCG(seed, i)), make) })
		}
		if !slices.Equal(seen[0], seen[1]) {
			t.Fatalf("story %d\n got %q\nwant %q", i, seen[0], seen[1])
		}
	}
}

type storyKey struct{}

// story tells what is seen of a context while its time passes, its parent is
// cancelled, and others are derived from it. No two things happen in the same
// moment, and somebody looks between two that could each end a context: which
// of them came first is all that a deadlineContext cannot know later.
func story(r *rand.Rand, make bounded) (seen []string) {
	parent, cancelParent := context.WithCancelCause(context.WithValue(context.Background(), storyKey{}, "value"))
	defer cancelParent(nil)
	if r.IntN(3) == 0 { // one that ends after the context
		var cancel context.CancelFunc
		parent, cancel = context.WithTimeoutCause(parent, 70500*time.Microsecond, errors.New("the parent's time is up"))
		defer cancel()
	}
	began := time.Now()
	c, cancel := make(parent, 50500*time.Microsecond)
	all := []context.Context{c}
	var after []*string
	glance := func(all []context.Context) {
		for _, c := range all {
			_ = c.Err()
		}
	}
	lookAtAll := func() {
		synctest.Wait()
		for i, c := range all {
			seen = append(seen, look(r, i, c))
		}
	}
	ended := false
	for range 1 + r.IntN(8) {
		switch r.IntN(9) {
		case 0, 1:
			if ended {
				glance(all)
			}
			time.Sleep(time.Duration(1+r.IntN(60)) * time.Millisecond)
		case 2:
			glance(all)
			ended = true
			cancelParent(errors.New("the parent gave up"))
		case 3:
			glance(all[1:]) // it does know what came before its own
			ended = true
			cancel()
		case 4:
			child, cancel := context.WithCancel(context.WithValue(c, storyKey{}, len(all)))
			defer cancel()
			all = append(all, child)
		case 5:
			child, cancel := context.WithTimeout(c, time.Duration(r.IntN(100))*time.Millisecond+250*time.Microsecond)
			defer cancel()
			all = append(all, child, context.WithoutCancel(c))
		case 6:
			if left := 50*time.Millisecond - time.Since(began); left > 0 {
				child, cancel := make(c, time.Duration(r.Int64N(int64(left)))/time.Millisecond*time.Millisecond+750*time.Microsecond)
				defer cancel()
				all = append(all, child)
			}
		case 7:
			note := new("never")
			after = append(after, note)
			stop := context.AfterFunc(c, func() { *note = fmt.Sprint("after ", time.Since(began)) })
			defer stop()
		case 8:
			lookAtAll()
		}
	}
	lookAtAll()
	cancel()
	lookAtAll()
	for _, note := range after {
		seen = append(seen, *note)
	}
	return seen
}

// look tells what there is to see of a context, in one order or another.
func look(r *rand.Rand, i int, c context.Context) string {
	deadline, ok := c.Deadline()
	var err, cause error
	done := "open"
	for _, what := range r.Perm(3) {
		switch what {
		case 0:
			err = c.Err()
		case 1:
			select {
			case <-c.Done():
				done = "closed"
			default:
			}
		case 2:
			cause = context.Cause(c)
		}
	}
	return fmt.Sprint(i, " ", err, " ", done, " ", cause, " ", c.Value(storyKey{}), " ", deadline, ok)
}

// TestDeadlineContextIsMadeForThoseWhoLook has others look at, derive from and
// cancel a context at once. Err never changes once it is there, and everybody
// who waits is told.
func TestDeadlineContextIsMadeForThoseWhoLook(t *testing.T) {
	for i := range 500 {
		parent, cancelParent := context.WithCancel(context.Background())
		c, cancel := lazyTimeout(parent, time.Duration(i%3)*time.Microsecond+time.Duration(i%2)*time.Hour)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				<-c.Done()
				err, cause := c.Err(), context.Cause(c)
				if err == nil || cause == nil || c.Err() != err || context.Cause(c) != cause {
					t.Errorf("over, with the error %v for %v, and later %v for %v", err, cause, c.Err(), context.Cause(c))
				}
			})
			all.Go(func() {
				child, cancel := context.WithCancel(context.WithValue(c, storyKey{}, 1))
				defer cancel()
				<-child.Done()
			})
			all.Go(func() {
				for c.Err() == nil {
					runtime.Gosched()
				}
				select {
				case <-c.Done():
				default:
					t.Error("an error, and Done is open")
				}
			})
		}
		if i%4 == 0 {
			all.Go(cancelParent)
		}
		all.Go(cancel)
		all.Wait()
		cancelParent()
	}
}

func TestDeadlineContextNeedsNoGoroutineForItsChildren(t *testing.T) {
	c, cancel := lazyTimeout(t.Context(), time.Hour)
	defer cancel()
	before := runtime.NumGoroutine()
	for range 100 {
		_, cancel := context.WithCancel(context.WithValue(c, storyKey{}, 1))
		defer cancel()
	}
	if now := runtime.NumGoroutine(); now >= before+100 {
		t.Errorf("%d goroutines, %d before", now, before)
	}
}

func TestDeadlineContextCostsOneAllocation(t *testing.T) {
	p, x := Chain(mustTimeout(t, TimeoutConfig{})), new(int)
	fn := func(ctx context.Context) (*int, error) { return x, ctx.Err() }
	ctx := t.Context()
	if n := testing.AllocsPerRun(2000, func() { _, _ = Do(ctx, p, fn) }); n > 1 && !raceEnabled {
		t.Errorf("%v allocations, want 1", n)
	}
}

func TestDeadlineContextTellsWhatItIs(t *testing.T) {
	c, cancel := lazyTimeout(context.Background(), time.Second)
	defer cancel()
	child, cancelChild := context.WithCancel(c)
	defer cancelChild()
	if got, want := fmt.Sprint(child), "context.Background.Timeout(1s).WithCancel"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTimeoutEndsAnHTTPRequest(t *testing.T) {
	hangs := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hangs" {
			select {
			case <-hangs:
			case <-r.Context().Done():
			}
		}
		_, _ = io.WriteString(w, "ok")
	}))
	defer server.Close()
	defer close(hangs)
	get := func(path string) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
			if err != nil {
				return "", err
			}
			response, err := server.Client().Do(request)
			if err != nil {
				return "", err
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			return string(body), err
		}
	}
	if got, err := Do(t.Context(), mustTimeout(t, TimeoutConfig{Timeout: time.Minute}), get("/")); got != "ok" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := Do(t.Context(), mustTimeout(t, TimeoutConfig{Timeout: 20 * time.Millisecond}), get("/hangs")); !errors.Is(err, ErrTimeout) {
		t.Errorf("got %v, want a timeout", err)
	}
}

func TestTimeoutEndsAQueryOfADatabase(t *testing.T) {
	db := sql.OpenDB(slowDatabase{})
	defer db.Close()
	query := func(text string) func(context.Context) (int, error) {
		return func(ctx context.Context) (n int, err error) {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return 0, err
			}
			defer func() { err = errors.Join(err, tx.Commit()) }()
			return n, tx.QueryRowContext(ctx, text).Scan(&n)
		}
	}
	if n, err := Do(t.Context(), mustTimeout(t, TimeoutConfig{Timeout: time.Minute}), query("quick")); n != 1 || err != nil {
		t.Errorf("got %v, %v", n, err)
	}
	if _, err := Do(t.Context(), mustTimeout(t, TimeoutConfig{Timeout: 20 * time.Millisecond}), query("slow")); !errors.Is(err, ErrTimeout) {
		t.Errorf("got %v, want a timeout", err)
	}
}

// slowDatabase is a driver whose slow queries last until their context ends.
type slowDatabase struct{}

func (slowDatabase) Connect(context.Context) (driver.Conn, error) { return slowDatabase{}, nil }
func (slowDatabase) Driver() driver.Driver                        { return nil }
func (slowDatabase) Prepare(string) (driver.Stmt, error)          { return nil, driver.ErrSkip }
func (slowDatabase) Begin() (driver.Tx, error)                    { return slowDatabase{}, nil }
func (slowDatabase) Commit() error                                { return nil }
func (slowDatabase) Rollback() error                              { return nil }
func (slowDatabase) Close() error                                 { return nil }

func (slowDatabase) QueryContext(ctx context.Context, text string, _ []driver.NamedValue) (driver.Rows, error) {
	if text == "slow" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &oneRow{}, nil
}

// oneRow is the answer 1.
type oneRow struct{ read bool }

func (*oneRow) Columns() []string { return []string{"n"} }
func (*oneRow) Close() error      { return nil }

func (o *oneRow) Next(dest []driver.Value) error {
	if o.read {
		return io.EOF
	}
	o.read, dest[0] = true, int64(1)
	return nil
}
