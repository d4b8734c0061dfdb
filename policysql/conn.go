package policysql

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/afloat-dev/afloat/policy"
)

// conn is a connection that works through policies. It has every ability that
// a driver's may have but two, which [newConn] adds where the driver's has them.
// Where the driver's lacks another, it does what database/sql would do without
// it.
//
// database/sql uses a connection, and what it prepared, queried or began, from
// one goroutine at a time.
type conn struct {
	inner     driver.Conn
	connector *Connector
	tx        *tx  // nil outside a transaction
	dead      bool // the driver said so
}

var (
	_ driver.Pinger             = (*conn)(nil)
	_ driver.ExecerContext      = executing{}
	_ driver.QueryerContext     = querying{}
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.SessionResetter    = (*conn)(nil)
	_ driver.Validator          = (*conn)(nil)
	_ driver.NamedValueChecker  = (*conn)(nil)
)

// newConn returns a connection that can run statements unprepared if the
// driver's can. Of one that can, database/sql expects that it knows the types of
// their arguments, too.
func newConn(connector *Connector, inner driver.Conn) driver.Conn {
	c := &conn{inner: inner, connector: connector}
	executes, queries := executerOf(inner), queryerOf(inner)
	switch {
	case executes != nil && queries != nil:
		return struct {
			*conn
			executing
			querying
		}{c, executing{c, executes}, querying{c, queries}}
	case executes != nil:
		return struct {
			*conn
			executing
		}{c, executing{c, executes}}
	case queries != nil:
		return struct {
			*conn
			querying
		}{c, querying{c, queries}}
	}
	return c
}

// Unwrap returns the driver's own connection, for the function of [sql.Conn.Raw].
// What is done with it passes the policies by.
func (c *conn) Unwrap() driver.Conn { return c.inner }

// pipeline is the policies for a statement.
func (c *conn) pipeline() *policy.Pipeline {
	if c.tx != nil {
		return c.connector.step
	}
	return c.connector.statement
}

// heed notes what a driver's error says of the connection.
func (c *conn) heed(ctx context.Context, err error) error {
	c.dead = c.dead || errors.Is(err, driver.ErrBadConn)
	return inTime(ctx, err)
}

// ended tells the transaction, if any, how a step of it ended.
func (c *conn) ended(ctx context.Context, err error) {
	if c.tx != nil && err != nil && c.connector.class(ctx, err) == policy.Failure {
		c.tx.failed = err
	}
}

// exec runs a statement that returns no rows.
func (c *conn) exec(ctx context.Context, fn func(context.Context) (driver.Result, error)) (driver.Result, error) {
	result, err := policy.Do(ctx, c.pipeline(), func(ctx context.Context) (driver.Result, error) {
		result, err := fn(ctx)
		return result, c.heed(ctx, err)
	})
	c.ended(ctx, err)
	return result, err
}

// query runs a statement whose rows are still to be read.
func (c *conn) query(ctx context.Context, fn func(context.Context) (driver.Rows, error)) (driver.Rows, error) {
	var within context.Context
	inner, ending, err := policy.Open(ctx, c.pipeline(), func(ctx context.Context) (driver.Rows, error) {
		within = ctx
		rows, err := fn(ctx)
		return rows, c.heed(ctx, err)
	}, func(rows driver.Rows) { _ = rows.Close() })
	if err != nil {
		c.ended(ctx, err)
		return nil, err
	}
	return &rows{inner: inner, conn: c, ending: ending, caller: ctx, within: within}, nil
}

// Ping asks the database for a sign of life.
func (c *conn) Ping(ctx context.Context) error {
	pinger, ok := c.inner.(driver.Pinger)
	if !ok {
		return nil
	}
	_, err := policy.Do(ctx, c.connector.connecting, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.heed(ctx, pinger.Ping(ctx))
	})
	return err
}

// Prepare is for drivers of old; database/sql calls PrepareContext.
func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

// PrepareContext prepares a statement.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	inner, err := policy.Do(ctx, c.pipeline(), func(ctx context.Context) (driver.Stmt, error) {
		prepared, err := c.prepare(ctx, query)
		return prepared, c.heed(ctx, err)
	})
	if err != nil {
		c.ended(ctx, err)
		return nil, err
	}
	return newStmt(c, inner), nil
}

func (c *conn) prepare(ctx context.Context, query string) (driver.Stmt, error) {
	if preparer, ok := c.inner.(driver.ConnPrepareContext); ok {
		return preparer.PrepareContext(ctx, query)
	}
	prepared, err := c.inner.Prepare(query)
	if err == nil && ctx.Err() != nil {
		_ = prepared.Close() // nobody wants it any more
		return nil, ctx.Err()
	}
	return prepared, err
}

// Close closes the connection, and ends a transaction that was left open.
func (c *conn) Close() error {
	err := c.inner.Close()
	if c.tx != nil {
		c.tx.abandon()
	}
	return err
}

// ResetSession makes the connection ready for another use. A driver may ask the
// database for it, which is bounded by a Timeout.
func (c *conn) ResetSession(ctx context.Context) error {
	resetter, ok := c.inner.(driver.SessionResetter)
	if !ok {
		return nil
	}
	var within context.Context
	_, err := policy.Do(ctx, c.connector.bounds, func(ctx context.Context) (struct{}, error) {
		within = ctx
		return struct{}{}, resetter.ResetSession(ctx)
	})
	if err != nil && within != nil && within.Err() != nil && ctx.Err() == nil {
		return driver.ErrBadConn // database/sql would use it nevertheless
	}
	return err
}

// IsValid reports whether the connection can be used again.
func (c *conn) IsValid() bool {
	if c.dead {
		return false
	}
	validator, ok := c.inner.(driver.Validator)
	return !ok || validator.IsValid()
}

// CheckNamedValue makes a value into one that the driver takes.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.inner.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}
