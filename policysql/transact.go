package policysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// ErrUnknown is the error of a commit whose answer was lost: it may have been
// done, so that it must not be repeated.
var ErrUnknown = errors.New("it is not known whether the transaction was committed")

// A Beginner begins transactions: an [sql.DB], or an [sql.Conn].
type Beginner interface {
	BeginTx(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error)
}

// Transact runs fn in a transaction and commits it. Under p, most often a
// [policy.Retry], the whole of it is repeated when the database could not do it
// together with others (SQLSTATE 40001 and 40P01), and when the connection
// broke, or a time was up, before the commit. Then fn runs again: it must do
// nothing that a rollback does not undo. Nil opts are the driver's defaults.
//
// An error of fn rolls back and is returned; unless it is one of those, it is
// final. A commit whose end is unknown is [ErrUnknown] and final. A panic of fn
// rolls back and goes on.
func Transact(ctx context.Context, db Beginner, p policy.Policy, opts *sql.TxOptions, fn func(context.Context, *sql.Tx) error) error {
	_, err := policy.Do(ctx, policy.Chain(p).Classified(classifyTransaction), func(ctx context.Context) (struct{}, error) {
		return struct{}{}, transact(ctx, db, opts, fn)
	})
	return err
}

// transact makes one try.
func transact(ctx context.Context, db Beginner, opts *sql.TxOptions, fn func(context.Context, *sql.Tx) error) error {
	t, err := db.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = t.Rollback() }() // also after a panic; nothing after a commit
	if err := fn(ctx, t); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	switch err := t.Commit(); {
	case err == nil:
		return nil
	case undone(err):
		return fmt.Errorf("commit: %w", err)
	default:
		return fmt.Errorf("commit: %w: %w", ErrUnknown, err)
	}
}

// undone reports whether a commit that failed is sure to have been rolled back:
// the database said so, or it was not even asked. [driver.ErrBadConn] does not
// say so, though it should: lib/pq has it for a connection that broke while
// it waited for the answer, too.
func undone(err error) bool {
	if errors.Is(err, sql.ErrTxDone) {
		return true
	}
	state := stateOf(err)
	return state != "" && state != "40003" && classifyState(state) != policy.Failure // 40003: statement_completion_unknown
}

// classifyTransaction says what the end of a whole transaction means. What is
// to be repeated is a Failure.
func classifyTransaction(ctx context.Context, value any, err error) (policy.Class, time.Duration) {
	if errors.Is(err, ErrUnknown) {
		return policy.Ignored, 0
	}
	class, after := Classify(ctx, value, err)
	if class != policy.Shed && ctx.Err() == nil {
		switch state := stateOf(err); {
		case state == "40001", state == "40P01": // serialization_failure, deadlock_detected
			class = policy.Failure
		case errors.Is(err, driver.ErrBadConn): // its work went with the connection
			class = policy.Failure
		}
	}
	return class, after
}
