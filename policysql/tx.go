package policysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/afloat-dev/afloat/policy"
)

// tx is a transaction: one call of the policies, from its beginning to its
// commit or rollback.
type tx struct {
	inner  driver.Tx
	conn   *conn
	caller context.Context
	ctx    context.Context // the driver's
	cancel context.CancelFunc
	ending *policy.Ending
	failed error // a failure of the database in one of its steps
}

// Begin is for drivers of old; database/sql calls BeginTx.
func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// BeginTx begins a transaction. The permits are held until its end.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	t := &tx{conn: c, caller: ctx}
	inner, ending, err := policy.Open(ctx, c.connector.transaction, func(ctx context.Context) (driver.Tx, error) {
		// Drivers keep the context for the commit, so that a Timeout, which ends
		// its context when the step is over, must not be its parent.
		t.ctx, t.cancel = context.WithCancel(ctx)
		inner, err := t.begin(ctx, opts)
		if err != nil {
			t.cancel()
		}
		return inner, err
	}, func(inner driver.Tx) { _ = inner.Rollback() })
	if err != nil {
		return nil, err
	}
	t.inner, t.ending = inner, ending
	c.tx = t
	return t, nil
}

// begin is the first step.
func (t *tx) begin(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	return policy.Do(ctx, t.conn.connector.step, func(step context.Context) (driver.Tx, error) {
		release := context.AfterFunc(step, t.cancel)
		inner, err := begin(t.ctx, t.conn.inner, opts)
		if !release() && err == nil {
			_ = inner.Rollback() // nobody wants it any more
			err = step.Err()
		}
		err = t.conn.heed(step, err)
		if err != nil && step.Err() != nil {
			err = step.Err() // and not that t.ctx was cancelled
		}
		return inner, err
	})
}

func begin(ctx context.Context, inner driver.Conn, opts driver.TxOptions) (driver.Tx, error) {
	if beginner, ok := inner.(driver.ConnBeginTx); ok {
		return beginner.BeginTx(ctx, opts)
	}
	if err := isDefault(opts); err != nil {
		return nil, err
	}
	//lint:ignore SA1019 it is all that this driver has
	begun, err := inner.Begin()
	if err == nil && ctx.Err() != nil {
		_ = begun.Rollback() // nobody wants it any more
		return nil, ctx.Err()
	}
	return begun, err
}

// Commit commits, and ends the call.
func (t *tx) Commit() error {
	return t.last(t.inner.Commit)
}

// Rollback rolls back, and ends the call.
func (t *tx) Rollback() error {
	return t.last(t.inner.Rollback)
}

// last is the last step, which has no context of its own.
func (t *tx) last(fn func() error) error {
	_, err := policy.Do(t.ctx, t.conn.connector.bounds, func(step context.Context) (struct{}, error) {
		release := context.AfterFunc(step, t.cancel)
		err := fn()
		if !release() && t.caller.Err() == nil {
			t.conn.dead = true // in the middle of something
		}
		return struct{}{}, t.conn.heed(step, err)
	})
	t.conn.ended(t.caller, err)
	t.end()
	return err
}

// end tells the policies how the transaction ended.
func (t *tx) end() {
	switch {
	case t.failed != nil:
		t.ending.End(t.failed)
	case errors.Is(t.caller.Err(), context.Canceled):
		t.ending.Abandon()
	default:
		t.ending.End(nil)
	}
	t.over()
}

// abandon is for a transaction that goes with its connection.
func (t *tx) abandon() {
	t.ending.Abandon()
	t.over()
}

func (t *tx) over() {
	t.cancel()
	t.conn.tx = nil
}

// isDefault reports whether a transaction needs no more than Begin can do.
func isDefault(opts driver.TxOptions) error {
	if sql.IsolationLevel(opts.Isolation) != sql.LevelDefault {
		return errors.New("policysql: the driver does not support isolation levels")
	}
	if opts.ReadOnly {
		return errors.New("policysql: the driver does not support read-only transactions")
	}
	return nil
}
