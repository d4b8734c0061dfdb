package idempotency

import (
	"context"
	"errors"
	"time"
)

// An Entry is what a Store keeps of a key.
type Entry struct {
	// Owner is a random text of the request that claimed the key.
	Owner string
	// Fingerprint is the same for the same request.
	Fingerprint string
	// Answer is what the request was answered with; empty while it is served.
	Answer []byte
}

// A Store keeps keys for [Handler]s. Each method is one atomic step, such as a
// SET with NX, GET and PX of Redis, a script that compares the Owner, or one
// statement of SQL. It is safe for concurrent use, and ends with its context.
//
// What is not claimed, released or over is not there: a Store forgets an entry
// when its time is up.
type Store interface {
	// Claim puts e under the key for the length of the lease if nothing is
	// there. It returns what is there then: e itself when the key was free.
	Claim(ctx context.Context, key string, e Entry, lease time.Duration) (Entry, error)
	// Complete puts e, which has an Answer now, in the place of the claim of
	// the same Owner, to be kept for that long. It returns ErrNotOwner when
	// the claim is not there any more.
	Complete(ctx context.Context, key string, e Entry, keepFor time.Duration) error
	// Release removes the claim of that Owner. It is no error when there is
	// none.
	Release(ctx context.Context, key, owner string) error
}

var (
	// ErrNotOwner is the error of a request that took longer than its lease.
	ErrNotOwner = errors.New("the claim of the key is over")
	// ErrFull is the error of a Store that has no room.
	ErrFull = errors.New("the store is full")
)
