package policy

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func newBulkhead(t testing.TB, c BulkheadConfig) *Bulkhead {
	t.Helper()
	b, err := NewBulkhead(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wantPlaces fails unless the bulkhead is as full as told.
func wantPlaces(t *testing.T, b *Bulkhead, inFlight, queued int) {
	t.Helper()
	if s := b.Status(); s.InFlight != inFlight || s.Queued != queued {
		t.Fatalf("got %d in flight and %d queued, want %d and %d", s.InFlight, s.Queued, inFlight, queued)
	}
}

func TestBulkheadRejectsWhenFullAndAdmitsAgain(t *testing.T) {
	b := newBulkhead(t, BulkheadConfig{MaxConcurrent: 2})
	first, err1 := b.TryAcquire()
	_, err2 := b.Acquire(t.Context())
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	for _, acquire := range []func() (BulkheadPermit, error){
		b.TryAcquire, func() (BulkheadPermit, error) { return b.Acquire(t.Context()) },
	} {
		_, err := acquire()
		var rejected *Rejected
		if !errors.As(err, &rejected) || !errors.Is(err, ErrFull) || rejected.Policy != "bulkhead" {
			t.Fatalf("got %v, want a Rejected for ErrFull", err)
		}
	}
	first.Done(Success)
	first.Done(Success)
	wantPlaces(t, b, 1, 0)
	if _, err := b.TryAcquire(); err != nil {
		t.Fatalf("after a place was given back: %v", err)
	}
	if got := b.Status().Rejected; got != 2 {
		t.Errorf("counted %d rejections, want 2", got)
	}
}

// TestBulkheadOutlivesPermitsThatWereCopied, though nobody should copy one.
func TestBulkheadOutlivesPermitsThatWereCopied(t *testing.T) {
	b := newBulkhead(t, BulkheadConfig{MaxConcurrent: 1})
	p, _ := b.TryAcquire()
	again := p
	p.Done(Success)
	again.Done(Success)
	wantPlaces(t, b, 0, 0)
	p, err := b.TryAcquire()
	if err != nil {
		t.Fatalf("refused for ever: %v", err)
	}
	if _, err := b.TryAcquire(); err == nil {
		t.Error("let in more than may run")
	}
	p.Done(Success)
	wantPlaces(t, b, 0, 0)
}

func TestBulkheadServesItsQueueInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, BulkheadConfig{MaxConcurrent: 1, QueueMax: 3})
		held, _ := b.TryAcquire()
		var order []int
		for i := range 3 {
			go func() {
				p, err := b.Acquire(t.Context())
				if err != nil {
					t.Errorf("call %d: %v", i, err)
				}
				order = append(order, i) // guarded by the bulkhead of one
				p.Done(Success)
			}()
			synctest.Wait()
		}
		wantPlaces(t, b, 1, 3)
		if _, err := b.Acquire(t.Context()); !errors.Is(err, ErrFull) {
			t.Fatalf("a call beyond the queue got %v", err)
		}
		held.Done(Success)
		synctest.Wait()
		wantPlaces(t, b, 0, 0)
		for i, got := range order {
			if got != i {
				t.Fatalf("served in the order %v", order)
			}
		}
	})
}

func TestBulkheadWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, BulkheadConfig{MaxConcurrent: 1, QueueMax: 1, WaitMax: time.Second})
		held, _ := b.TryAcquire()
		began := time.Now()
		if _, err := b.Acquire(t.Context()); !errors.Is(err, ErrFull) || time.Since(began) != time.Second {
			t.Fatalf("got %v after %v, want ErrFull after 1s", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := b.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want the context's error", err)
		}
		if _, err := b.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("with an ended context: got %v", err)
		}
		wantPlaces(t, b, 1, 0)
		held.Done(Success)
		wantPlaces(t, b, 0, 0)
	})
}

func TestBulkheadSetAdmitsThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, BulkheadConfig{MaxConcurrent: 1, QueueMax: 5})
		permits := make(chan BulkheadPermit, 4)
		for range 4 {
			go func() {
				p, _ := b.Acquire(t.Context())
				permits <- p
			}()
		}
		synctest.Wait()
		wantPlaces(t, b, 1, 3)
		if err := b.Set(BulkheadConfig{MaxConcurrent: 3, QueueMax: 5}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wantPlaces(t, b, 3, 1)
		if err := b.Set(BulkheadConfig{MaxConcurrent: 1, QueueMax: 5}); err != nil {
			t.Fatal(err)
		}
		for _, queued := range []int{1, 1, 0} {
			p := <-permits
			p.Done(Success)
			synctest.Wait()
			if s := b.Status(); s.Queued != queued {
				t.Fatalf("%d in flight, %d queued, want %d queued", s.InFlight, s.Queued, queued)
			}
		}
		p := <-permits
		p.Done(Success)
		wantPlaces(t, b, 0, 0)
	})
}

func TestBulkheadDoNeverLeaksItsPlace(t *testing.T) {
	b := newBulkhead(t, BulkheadConfig{MaxConcurrent: 1})
	ends := map[string]func(context.Context) Result{
		"return": func(context.Context) Result { return Result{} },
		"panic":  func(context.Context) Result { panic("boom") },
		"goexit": func(context.Context) Result { runtime.Goexit(); return Result{} },
	}
	for name, f := range ends {
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() { _ = recover() }()
			b.Do(t.Context(), NextFunc(f))
		}()
		<-done
		if s := b.Status(); s.InFlight != 0 {
			t.Errorf("%s: %d places leaked", name, s.InFlight)
		}
	}
}

func TestBulkheadHoldsThePlaceOfAnOpenCall(t *testing.T) {
	b := newBulkhead(t, BulkheadConfig{MaxConcurrent: 1})
	_, ending, err := Open(t.Context(), b, func(context.Context) (int, error) { return 1, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantPlaces(t, b, 1, 0)
	r := b.Do(t.Context(), NextFunc(func(context.Context) Result { return Result{} }))
	if r.Class != Shed || !errors.Is(r.Err, ErrFull) {
		t.Fatalf("while the first call is open: %v, %v", r.Class, r.Err)
	}
	ending.End(nil)
	ending.End(nil)
	wantPlaces(t, b, 0, 0)
}

// TestBulkheadUnderStrain runs callers that wait, cancel and try, while the
// size changes, and looks for lost wake-ups, leaks and excess.
func TestBulkheadUnderStrain(t *testing.T) {
	b := newBulkhead(t, BulkheadConfig{MaxConcurrent: 4, QueueMax: 8, WaitMax: time.Minute})
	var running, most, served atomic.Int64
	work := func(p BulkheadPermit) {
		n := running.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		served.Add(1)
		runtime.Gosched()
		running.Add(-1)
		p.Done(Success)
	}
	var callers sync.WaitGroup
	for i := range 16 {
		callers.Go(func() {
			for n := range 2000 {
				ctx, cancel := context.WithCancel(t.Context())
				switch {
				case i%4 == 0:
					if p, err := b.TryAcquire(); err == nil {
						work(p)
					}
				case i%4 == 1 && n%2 == 0:
					go cancel()
					fallthrough
				default:
					if p, err := b.Acquire(ctx); err == nil {
						work(p)
					}
				}
				cancel()
				if i == 2 && n%50 == 0 {
					_ = b.Set(BulkheadConfig{MaxConcurrent: 1 + n/50%4, QueueMax: 8, WaitMax: time.Minute})
				}
			}
		})
	}
	callers.Wait()
	wantPlaces(t, b, 0, 0)
	if most.Load() > 4 || served.Load() == 0 {
		t.Errorf("%d ran at once, %d in all; want at most 4 at once", most.Load(), served.Load())
	}
}

func TestBulkheadTellsItsObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []Event
		b := newBulkhead(t, BulkheadConfig{Name: "db", MaxConcurrent: 1, Observer: func(e Event) { got = append(got, e) }})
		_, _ = b.TryAcquire()
		for range 10 {
			_, _ = b.TryAcquire()
		}
		time.Sleep(time.Second)
		_, _ = b.TryAcquire()
		synctest.Wait()
		if len(got) != 2 || got[0].Kind != EventRejected || got[0].Count != 1 || !errors.Is(got[0].Err, ErrFull) ||
			got[1].Count < 9 || got[1].Why != "1 of 1 places are taken and 0 calls wait" {
			t.Fatalf("got %+v", got)
		}
	})
}

func TestBulkheadConfigTellsEveryProblem(t *testing.T) {
	_, err := NewBulkhead(BulkheadConfig{MaxConcurrent: -1, QueueMax: -1, WaitMax: time.Second})
	wantFields(t, err, "maxConcurrent", "queueMax", "waitMax")
	_, err = NewBulkhead(BulkheadConfig{MaxConcurrent: 1, QueueMax: 1, WaitMax: durationMax + 1})
	wantFields(t, err, "waitMax")
}

func BenchmarkBulkhead(b *testing.B) {
	bulkhead := newBulkhead(b, BulkheadConfig{MaxConcurrent: 10})
	b.ReportAllocs()
	for b.Loop() {
		p, _ := bulkhead.TryAcquire()
		p.Done(Success)
	}
}
