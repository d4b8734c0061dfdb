package policysql

import (
	"context"
	"database/sql/driver"
	"errors"
)

// executing is the ability to run a statement that returns no rows without
// preparing it.
type executing struct {
	conn *conn
	run  func(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error)
}

// ExecContext runs a statement that returns no rows.
func (e executing) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return e.conn.exec(ctx, func(ctx context.Context) (driver.Result, error) { return e.run(ctx, query, args) })
}

// executerOf returns how the driver runs a statement unprepared, or nil.
func executerOf(inner driver.Conn) func(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	switch inner := inner.(type) {
	case driver.ExecerContext:
		return inner.ExecContext
	case interface {
		Exec(string, []driver.Value) (driver.Result, error)
	}:
		return func(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
			values, err := positional(ctx, args)
			if err != nil {
				return nil, err
			}
			return inner.Exec(query, values)
		}
	}
	return nil
}

// querying is the ability to run a statement that returns rows without
// preparing it.
type querying struct {
	conn *conn
	run  func(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error)
}

// QueryContext runs a statement that returns rows.
func (q querying) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return q.conn.query(ctx, func(ctx context.Context) (driver.Rows, error) { return q.run(ctx, query, args) })
}

// queryerOf returns how the driver runs a query unprepared, or nil.
func queryerOf(inner driver.Conn) func(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	switch inner := inner.(type) {
	case driver.QueryerContext:
		return inner.QueryContext
	case interface {
		Query(string, []driver.Value) (driver.Rows, error)
	}:
		return func(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
			values, err := positional(ctx, args)
			if err != nil {
				return nil, err
			}
			return inner.Query(query, values)
		}
	}
	return nil
}

// positional makes arguments of those for drivers of old, as database/sql does.
func positional(ctx context.Context, args []driver.NamedValue) ([]driver.Value, error) {
	values := make([]driver.Value, len(args))
	for i, arg := range args {
		if arg.Name != "" {
			return nil, errors.New("policysql: the driver does not support named parameters")
		}
		values[i] = arg.Value
	}
	return values, ctx.Err()
}
