package policysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestEveryAbilityIsKnown fails when package driver has an interface that
// nobody has thought of here, as a newer Go may.
func TestEveryAbilityIsKnown(t *testing.T) {
	known := map[string]string{
		"Driver": "the connector's, handed on", "DriverContext": "the connector's, handed on", "Connector": "Connector",
		"Conn": "conn", "ConnBeginTx": "conn", "ConnPrepareContext": "conn", "Pinger": "conn", "SessionResetter": "conn", "Validator": "conn",
		"Execer": "executing, as ExecerContext", "ExecerContext": "executing", "Queryer": "querying, as QueryerContext", "QueryerContext": "querying",
		"NamedValueChecker": "conn and stmt", "Tx": "tx",
		"Stmt": "stmt", "StmtExecContext": "stmt", "StmtQueryContext": "stmt", "ColumnConverter": "convertingStmt",
		"Rows": "rows", "RowsNextResultSet": "rows", "RowsColumnTypeScanType": "rows", "RowsColumnTypeDatabaseTypeName": "rows",
		"RowsColumnTypeLength": "rows", "RowsColumnTypeNullable": "rows", "RowsColumnTypePrecisionScale": "rows",
		"Result": "the driver's, handed on", "Valuer": "an argument's", "ValueConverter": "of convertingStmt, handed on",
	}
	pkg, err := importer.ForCompiler(token.NewFileSet(), "source", nil).Import("database/sql/driver")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range pkg.Scope().Names() {
		object, ok := pkg.Scope().Lookup(name).(*types.TypeName)
		if !ok || !object.Exported() || !types.IsInterface(object.Type()) || name == "Value" {
			continue
		}
		found++
		if known[name] == "" {
			t.Errorf("driver.%s is lost by wrapping", name)
		}
	}
	if found != len(known) {
		t.Errorf("found %d interfaces, know %d", found, len(known))
	}
}

// TestWrappingLosesNothing runs one program on several drivers, from one of no
// ability to one of all, each with and without policies. The driver must see
// the same calls, and the program the same results.
func TestWrappingLosesNothing(t *testing.T) {
	for _, kind := range []string{"plain", "old", "executing", "querying", "full"} {
		bare, wrapped := &fake{kind: kind}, &fake{kind: kind}
		connector, err := Wrap(wrapped, Config{})
		if err != nil {
			t.Fatal(err)
		}
		want, got := program(t, sql.OpenDB(bare)), program(t, sql.OpenDB(connector))
		if diff := cmp.Diff(bare.calls, wrapped.calls); diff != "" {
			t.Errorf("%s: calls (-bare +wrapped):\n%s", kind, diff)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: results (-bare +wrapped):\n%s", kind, diff)
		}
		if len(bare.calls) < 20 || len(want) < 20 {
			t.Errorf("%s: the program does too little: %q, %q", kind, bare.calls, want)
		}
	}
}

// program uses all that database/sql has, and returns what it sees.
func program(t *testing.T, db *sql.DB) (seen []string) {
	t.Helper()
	ctx := t.Context()
	note := func(what string, args ...any) {
		for i, arg := range args {
			if _, ok := arg.(error); ok {
				args[i] = "an error"
			}
		}
		seen = append(seen, fmt.Sprint(append([]any{what}, args...)...))
	}
	db.SetMaxOpenConns(1)
	note("ping", db.PingContext(ctx))
	read := func(rows *sql.Rows, err error) {
		if note("query", err); err != nil {
			return
		}
		columns, err := rows.ColumnTypes()
		for _, c := range columns {
			length, hasLength := c.Length()
			nullable, hasNullable := c.Nullable()
			precision, scale, hasScale := c.DecimalSize()
			note("column", c.Name(), c.DatabaseTypeName(), c.ScanType(), length, hasLength, nullable, hasNullable, precision, scale, hasScale, err)
		}
		for more := true; more; more = rows.NextResultSet() {
			for rows.Next() {
				var text string
				note("row", rows.Scan(&text), text)
			}
		}
		note("end", rows.Err(), rows.Close())
	}
	for _, arg := range []any{1, "two", odd{}, sql.Named("name", 3), []int{4}} {
		_, err := db.ExecContext(ctx, "exec", arg)
		note("exec", err)
		read(db.QueryContext(ctx, "query", arg))
		prepared, err := db.PrepareContext(ctx, "prepare")
		if note("prepare", err); err != nil {
			continue
		}
		_, err = prepared.ExecContext(ctx, arg)
		note("prepared exec", err)
		read(prepared.QueryContext(ctx, arg))
		note("close", prepared.Close())
	}
	for _, opts := range []*sql.TxOptions{nil, {ReadOnly: true}, {Isolation: sql.LevelSerializable}} {
		for _, end := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
			tx, err := db.BeginTx(ctx, opts)
			if note("begin", err); err != nil {
				continue
			}
			_, err = tx.ExecContext(ctx, "exec")
			note("end", err, end(tx))
		}
	}
	note("close", db.Close())
	return seen
}

// odd is an argument that not every driver takes.
type odd struct{}

// fake is a driver that notes what it is asked.
type fake struct {
	kind  string
	calls []string
}

func (f *fake) note(call string, args ...any) {
	f.calls = append(f.calls, fmt.Sprint(append([]any{call}, args...)...))
}

func (f *fake) Connect(context.Context) (driver.Conn, error) {
	f.note("connect")
	c := &plainConn{f}
	switch f.kind {
	case "old":
		return &oldConn{c}, nil
	case "executing":
		return struct {
			*plainConn
			driver.ExecerContext
		}{c, &fullConn{c}}, nil
	case "querying":
		return struct {
			*plainConn
			driver.QueryerContext
		}{c, &fullConn{c}}, nil
	case "full":
		return &fullConn{c}, nil
	}
	return c, nil
}

func (f *fake) Driver() driver.Driver { return nil }
func (f *fake) Close() error          { f.note("close connector"); return nil }

type plainConn struct{ *fake }

func (c *plainConn) Prepare(query string) (driver.Stmt, error) {
	c.note("prepare ", query)
	if c.kind == "old" {
		return &oldStmt{plainStmt{c.fake}}, nil
	}
	return &plainStmt{c.fake}, nil
}
func (c *plainConn) Close() error              { c.note("close conn"); return nil }
func (c *plainConn) Begin() (driver.Tx, error) { c.note("begin"); return fakeTx{c.fake}, nil }

type fakeTx struct{ *fake }

func (t fakeTx) Commit() error   { t.note("commit"); return nil }
func (t fakeTx) Rollback() error { t.note("rollback"); return nil }

type plainStmt struct{ *fake }

func (s *plainStmt) Close() error  { s.note("close stmt"); return nil }
func (s *plainStmt) NumInput() int { return -1 }
func (s *plainStmt) Exec(values []driver.Value) (driver.Result, error) {
	s.note("stmt exec", values)
	return driver.RowsAffected(1), nil
}
func (s *plainStmt) Query(values []driver.Value) (driver.Rows, error) {
	s.note("stmt query", values)
	return &plainRows{s.fake, 2}, nil
}

type plainRows struct {
	*fake
	left int
}

func (r *plainRows) Columns() []string { return []string{"a"} }
func (r *plainRows) Close() error      { r.note("close rows"); return nil }
func (r *plainRows) Next(dest []driver.Value) error {
	if r.left == 0 {
		return io.EOF
	}
	r.left--
	dest[0] = fmt.Sprint(r.left)
	return nil
}

// oldConn and oldStmt are of the time before contexts.
type oldConn struct{ *plainConn }

func (c *oldConn) Exec(query string, values []driver.Value) (driver.Result, error) {
	c.note("exec", values)
	return driver.RowsAffected(1), nil
}
func (c *oldConn) Query(query string, values []driver.Value) (driver.Rows, error) {
	c.note("query", values)
	return &plainRows{c.fake, 1}, nil
}

type oldStmt struct{ plainStmt }

func (s *oldStmt) NumInput() int { return 1 }
func (s *oldStmt) ColumnConverter(i int) driver.ValueConverter {
	s.note("converter", i)
	return driver.String
}

// fullConn and what comes of it have every ability.
type fullConn struct{ *plainConn }

func (c *fullConn) Ping(context.Context) error         { c.note("ping"); return nil }
func (c *fullConn) ResetSession(context.Context) error { c.note("reset"); return nil }
func (c *fullConn) IsValid() bool                      { c.note("valid"); return true }
func (c *fullConn) CheckNamedValue(v *driver.NamedValue) error {
	c.note("conn checks ", v.Value)
	if _, ok := v.Value.(odd); ok {
		v.Value = "odd"
		return nil
	}
	return driver.ErrSkip
}
func (c *fullConn) ExecContext(_ context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.note("exec context", args)
	if len(args) > 0 && args[0].Value == "two" {
		return nil, driver.ErrSkip // prepare it
	}
	return driver.RowsAffected(1), nil
}
func (c *fullConn) QueryContext(_ context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.note("query context", args)
	if args[0].Value == "two" {
		return nil, driver.ErrSkip
	}
	return &fullRows{plainRows{c.fake, 2}, true}, nil
}
func (c *fullConn) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	c.note("prepare context ", query)
	return &fullStmt{plainStmt{c.fake}}, nil
}
func (c *fullConn) BeginTx(_ context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.note("begin tx", opts)
	if opts.ReadOnly {
		return nil, errors.New("not here")
	}
	return fakeTx{c.fake}, nil
}

type fullStmt struct{ plainStmt }

func (s *fullStmt) ExecContext(_ context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.note("stmt exec context", args)
	return driver.RowsAffected(1), nil
}
func (s *fullStmt) QueryContext(_ context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.note("stmt query context", args)
	return &fullRows{plainRows{s.fake, 1}, true}, nil
}
func (s *fullStmt) CheckNamedValue(v *driver.NamedValue) error {
	s.note("stmt checks ", v.Value)
	return driver.ErrSkip
}

type fullRows struct {
	plainRows
	further bool
}

func (r *fullRows) HasNextResultSet() bool { return r.further }
func (r *fullRows) NextResultSet() error {
	if !r.further {
		return io.EOF
	}
	r.note("next result set")
	r.further, r.left = false, 1
	return nil
}
func (r *fullRows) ColumnTypeScanType(int) reflect.Type               { return reflect.TypeFor[time.Time]() }
func (r *fullRows) ColumnTypeDatabaseTypeName(int) string             { return "DATE" }
func (r *fullRows) ColumnTypeLength(int) (int64, bool)                { return 7, true }
func (r *fullRows) ColumnTypeNullable(int) (bool, bool)               { return true, true }
func (r *fullRows) ColumnTypePrecisionScale(int) (int64, int64, bool) { return 5, 2, true }
