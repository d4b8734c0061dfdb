package idempotency

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func entry(owner string) Entry { return Entry{Owner: owner, Fingerprint: "f"} }

func answered(owner, text string) Entry {
	return Entry{Owner: owner, Fingerprint: "f", Answer: []byte(text)}
}

func claim(t *testing.T, s Store, key, owner string) Entry {
	t.Helper()
	held, err := s.Claim(t.Context(), key, entry(owner), time.Minute)
	if err != nil {
		t.Errorf("claim %s for %s: %v", key, owner, err)
	}
	return held
}

func TestMemoryKeepsTheContract(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, MemoryConfig{})
		ctx := t.Context()
		if held := claim(t, m, "k", "a"); held.Owner != "a" {
			t.Errorf("first claim: %+v", held)
		}
		for _, owner := range []string{"b", "a"} { // the second as if its answer had been lost
			if held := claim(t, m, "k", owner); held.Owner != "a" || held.Answer != nil {
				t.Errorf("claim of %s: %+v", owner, held)
			}
		}
		if err := m.Complete(ctx, "k", answered("b", "x"), time.Hour); !errors.Is(err, ErrNotOwner) {
			t.Errorf("complete by another: %v", err)
		}
		if err := m.Release(ctx, "k", "b"); err != nil || claim(t, m, "k", "b").Owner != "a" {
			t.Errorf("release by another: %v", err)
		}
		if err := m.Complete(ctx, "k", answered("a", "x"), time.Hour); err != nil {
			t.Error(err)
		}
		if held := claim(t, m, "k", "b"); string(held.Answer) != "x" {
			t.Errorf("after the answer: %+v", held)
		}
		time.Sleep(time.Hour)
		if held := claim(t, m, "k", "b"); held.Owner != "b" {
			t.Errorf("after its time: %+v", held)
		}
		time.Sleep(time.Minute) // the lease
		if err := m.Complete(ctx, "k", answered("b", "x"), time.Hour); !errors.Is(err, ErrNotOwner) {
			t.Errorf("complete after the lease: %v", err)
		}
		claim(t, m, "k", "c")
		if err := m.Release(ctx, "k", "c"); err != nil || claim(t, m, "k", "d").Owner != "d" {
			t.Errorf("release: %v", err)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	m := newMemory(t, MemoryConfig{EntriesMax: 10, BytesMax: 10_000})
	ctx := t.Context()
	for i := range 100 {
		key := fmt.Sprint(i)
		claim(t, m, key, "a")
		if err := m.Complete(ctx, key, answered("a", "x"), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if s := m.Status(); s.Answers != 10 || s.Evicted != 90 {
		t.Errorf("by entries: %+v", s)
	}
	if held := claim(t, m, "99", "b"); held.Owner != "a" {
		t.Error("the newest went")
	}
	claim(t, m, "big", "a")
	if err := m.Complete(ctx, "big", answered("a", strings.Repeat("x", 9000)), time.Hour); err != nil {
		t.Error(err)
	}
	if s := m.Status(); s.Bytes > 10_000 || s.Answers != 2 {
		t.Errorf("by bytes: %+v", s)
	}
	claim(t, m, "huge", "a")
	if err := m.Complete(ctx, "huge", answered("a", strings.Repeat("x", 10_000)), time.Hour); !errors.Is(err, ErrFull) {
		t.Errorf("larger than all: %v", err)
	}
	if held := claim(t, m, "huge", "b"); held.Owner != "a" {
		t.Errorf("the claim went with its answer: %+v", held)
	}
}

func TestMemoryNeverDropsClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, MemoryConfig{EntriesMax: 3})
		for i := range 3 {
			claim(t, m, fmt.Sprint(i), "a")
		}
		if _, err := m.Claim(t.Context(), "3", entry("a"), time.Minute); !errors.Is(err, ErrFull) {
			t.Errorf("a fourth: %v", err)
		}
		for i := range 3 {
			if held := claim(t, m, fmt.Sprint(i), "b"); held.Owner != "a" {
				t.Errorf("claim %d went", i)
			}
		}
		time.Sleep(time.Minute)
		claim(t, m, "3", "a")
		if s := m.Status(); s.Claims != 1 || s.Evicted != 0 {
			t.Errorf("after the leases: %+v", s)
		}
	})
}

func TestMemoryGivesAKeyToOne(t *testing.T) {
	m := newMemory(t, MemoryConfig{})
	var won atomic.Int64
	var done sync.WaitGroup
	for i := range 64 {
		done.Go(func() {
			owner := fmt.Sprint(i)
			held, err := m.Claim(context.Background(), "k", entry(owner), time.Minute)
			if err != nil {
				t.Error(err)
			}
			if held.Owner == owner {
				won.Add(1)
			}
		})
	}
	done.Wait()
	if won.Load() != 1 {
		t.Errorf("%d got it", won.Load())
	}
}

// TestAnswerThatTheStoreCannotKeep: at least that the request was done is.
func TestAnswerThatTheStoreCannotKeep(t *testing.T) {
	var served atomic.Int64
	h := newHandler(t, counter(&served), Config{Store: newMemory(t, MemoryConfig{BytesMax: 2000})})
	if w := ask(h, post(t.Context(), "k", strings.Repeat("x", 3000))); w.Code != 200 || w.Body.Len() < 3000 {
		t.Errorf("first: %d, %d bytes", w.Code, w.Body.Len())
	}
	wantProblem(t, ask(h, post(t.Context(), "k", strings.Repeat("x", 3000))), 409)
	if served.Load() != 1 {
		t.Errorf("served %d times", served.Load())
	}
}
