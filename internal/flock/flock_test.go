package flock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestOneHasTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	f, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Try(path); !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if f, err = Try(path); err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// Who removes the file when it gives the lock back may remove that of the next,
// who then would lock a file that nobody else finds.
func TestLockOfARemovedFileIsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := os.Open(path) // as the next one does
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	first.Close()
	if err := lock(opened, path); !errors.Is(err, errRemoved) {
		t.Errorf("locking what was removed: %v", err)
	}
	second, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if !isAt(second, path) {
		t.Error("the new one is not at its path")
	}
}

func TestWaitGetsTheLockOnceItIsFree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	synctest.Test(t, func(t *testing.T) {
		held, err := Try(path)
		if err != nil {
			t.Fatal(err)
		}
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := Wait(soon, path); !errors.Is(err, ErrHeld) {
			t.Fatalf("got %v", err)
		}
		time.AfterFunc(time.Second, func() { held.Close() })
		f, err := Wait(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	})
}

func TestLockThatCannotBeMade(t *testing.T) {
	if _, err := Wait(t.Context(), filepath.Join(t.TempDir(), "missing", "lock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
