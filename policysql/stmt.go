package policysql

import (
	"context"
	"database/sql/driver"
)

// stmt is a prepared statement that runs through policies.
type stmt struct {
	inner driver.Stmt
	conn  *conn
}

var (
	_ driver.StmtExecContext   = (*stmt)(nil)
	_ driver.StmtQueryContext  = (*stmt)(nil)
	_ driver.NamedValueChecker = (*stmt)(nil)
)

// convertingStmt is a stmt of a driver that converts arguments by their column.
// It is a type of its own, since database/sql converts in another way where
// there is no such driver.
type convertingStmt struct {
	*stmt
	converter interface {
		ColumnConverter(int) driver.ValueConverter
	}
}

func newStmt(c *conn, inner driver.Stmt) driver.Stmt {
	s := &stmt{inner: inner, conn: c}
	if converter, ok := inner.(interface {
		ColumnConverter(int) driver.ValueConverter
	}); ok {
		return convertingStmt{s, converter}
	}
	return s
}

// ColumnConverter converts the argument of a column.
func (s convertingStmt) ColumnConverter(i int) driver.ValueConverter {
	return s.converter.ColumnConverter(i)
}

// Close closes the statement.
func (s *stmt) Close() error { return s.inner.Close() }

// NumInput is how many arguments there must be; -1 when unknown.
func (s *stmt) NumInput() int { return s.inner.NumInput() }

// Exec is for drivers of old; database/sql calls ExecContext.
func (s *stmt) Exec(values []driver.Value) (driver.Result, error) {
	return s.ExecContext(context.Background(), named(values))
}

// Query is for drivers of old; database/sql calls QueryContext.
func (s *stmt) Query(values []driver.Value) (driver.Rows, error) {
	return s.QueryContext(context.Background(), named(values))
}

// ExecContext runs a statement that returns no rows.
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.conn.exec(ctx, func(ctx context.Context) (driver.Result, error) {
		if inner, ok := s.inner.(driver.StmtExecContext); ok {
			return inner.ExecContext(ctx, args)
		}
		values, err := positional(ctx, args)
		if err != nil {
			return nil, err
		}
		//lint:ignore SA1019 it is all that this driver has
		return s.inner.Exec(values)
	})
}

// QueryContext runs a statement that returns rows.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.query(ctx, func(ctx context.Context) (driver.Rows, error) {
		if inner, ok := s.inner.(driver.StmtQueryContext); ok {
			return inner.QueryContext(ctx, args)
		}
		values, err := positional(ctx, args)
		if err != nil {
			return nil, err
		}
		//lint:ignore SA1019 it is all that this driver has
		return s.inner.Query(values)
	})
}

// CheckNamedValue makes a value into one that the driver takes.
func (s *stmt) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := s.inner.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return s.conn.CheckNamedValue(v)
}

func named(values []driver.Value) []driver.NamedValue {
	args := make([]driver.NamedValue, len(values))
	for i, value := range values {
		args[i] = driver.NamedValue{Ordinal: i + 1, Value: value}
	}
	return args
}
