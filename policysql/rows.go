package policysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"reflect"

	"github.com/afloat-dev/afloat/policy"
)

// rows are a statement's, which is over when they are closed. They have every
// ability that a driver's may have. Where the driver's lack one, they do what
// database/sql would do without it.
type rows struct {
	inner  driver.Rows
	conn   *conn
	ending *policy.Ending
	caller context.Context
	within context.Context // of the try that brought them
	broken error
}

var (
	_ driver.RowsNextResultSet              = (*rows)(nil)
	_ driver.RowsColumnTypeScanType         = (*rows)(nil)
	_ driver.RowsColumnTypeDatabaseTypeName = (*rows)(nil)
	_ driver.RowsColumnTypeLength           = (*rows)(nil)
	_ driver.RowsColumnTypeNullable         = (*rows)(nil)
	_ driver.RowsColumnTypePrecisionScale   = (*rows)(nil)
)

// Columns are the names of the columns.
func (r *rows) Columns() []string { return r.inner.Columns() }

// Next reads a row.
func (r *rows) Next(dest []driver.Value) error { return r.heed(r.inner.Next(dest)) }

// heed notes what broke the rows, and names a Timeout by whose deadline.
func (r *rows) heed(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	err = r.conn.heed(r.within, err)
	if cause, ok := errors.AsType[*policy.TimeoutError](context.Cause(r.within)); ok && r.caller.Err() == nil {
		err = &policy.TimeoutError{After: cause.After, Err: err}
	}
	r.broken = err
	return err
}

// Close closes the rows, and ends the call.
func (r *rows) Close() error {
	err := r.inner.Close()
	broken := r.broken
	if broken == nil {
		broken = err
	}
	class := r.conn.connector.class(r.caller, broken)
	switch {
	case class == policy.Failure:
		r.conn.ended(r.caller, broken)
		r.ending.End(broken)
	case class == policy.Ignored, errors.Is(r.caller.Err(), context.Canceled):
		r.ending.Abandon()
	default:
		r.ending.End(nil)
	}
	return err
}

// HasNextResultSet reports whether there are further rows after these.
func (r *rows) HasNextResultSet() bool {
	next, ok := r.inner.(driver.RowsNextResultSet)
	return ok && next.HasNextResultSet()
}

// NextResultSet goes on to them.
func (r *rows) NextResultSet() error {
	next, ok := r.inner.(driver.RowsNextResultSet)
	if !ok {
		return io.EOF
	}
	return r.heed(next.NextResultSet())
}

// ColumnTypeScanType is the Go type of a column.
func (r *rows) ColumnTypeScanType(i int) reflect.Type {
	if t, ok := r.inner.(driver.RowsColumnTypeScanType); ok {
		return t.ColumnTypeScanType(i)
	}
	return reflect.TypeFor[any]()
}

// ColumnTypeDatabaseTypeName is the database's name of a column's type.
func (r *rows) ColumnTypeDatabaseTypeName(i int) string {
	if t, ok := r.inner.(driver.RowsColumnTypeDatabaseTypeName); ok {
		return t.ColumnTypeDatabaseTypeName(i)
	}
	return ""
}

// ColumnTypeLength is how long a value of a column may be.
func (r *rows) ColumnTypeLength(i int) (length int64, ok bool) {
	if t, ok := r.inner.(driver.RowsColumnTypeLength); ok {
		return t.ColumnTypeLength(i)
	}
	return 0, false
}

// ColumnTypeNullable is whether a column may be null.
func (r *rows) ColumnTypeNullable(i int) (nullable, ok bool) {
	if t, ok := r.inner.(driver.RowsColumnTypeNullable); ok {
		return t.ColumnTypeNullable(i)
	}
	return false, false
}

// ColumnTypePrecisionScale is the precision of a column of decimals.
func (r *rows) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	if t, ok := r.inner.(driver.RowsColumnTypePrecisionScale); ok {
		return t.ColumnTypePrecisionScale(i)
	}
	return 0, 0, false
}
