package policysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/afloat-dev/afloat/policy"
)

func TestClassify(t *testing.T) {
	state := func(s string) error { return fmt.Errorf("query: %w", &pgconn.PgError{Code: s}) }
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	here := t.Context()
	for _, c := range []struct {
		ctx         context.Context
		err         error
		statement   policy.Class
		transaction policy.Class
	}{
		{here, nil, policy.Success, policy.Success},
		{here, state("23505"), policy.Success, policy.Success}, // unique_violation
		{here, state("42601"), policy.Success, policy.Success}, // syntax_error
		{here, state("28P01"), policy.Success, policy.Success}, // invalid_password
		{here, state("40001"), policy.Success, policy.Failure}, // serialization_failure
		{here, state("40P01"), policy.Success, policy.Failure}, // deadlock_detected
		{here, state("40003"), policy.Success, policy.Success}, // statement_completion_unknown
		{here, state("08006"), policy.Failure, policy.Failure}, // connection_failure
		{here, state("53200"), policy.Failure, policy.Failure}, // out_of_memory
		{here, state("53300"), policy.Shed, policy.Shed},       // too_many_connections
		{here, state("57014"), policy.Failure, policy.Failure}, // query_canceled
		{here, state("57P01"), policy.Failure, policy.Failure}, // admin_shutdown
		{here, state("58030"), policy.Failure, policy.Failure}, // io_error
		{here, errors.New("bad statement"), policy.Success, policy.Success},
		{here, io.ErrUnexpectedEOF, policy.Failure, policy.Failure},
		{here, &net.OpError{Op: "read", Err: syscall.ECONNRESET}, policy.Failure, policy.Failure},
		{here, syscall.EPIPE, policy.Failure, policy.Failure},
		{here, &policy.TimeoutError{}, policy.Failure, policy.Failure},
		{here, &policy.AbortError{}, policy.Failure, policy.Failure},
		{here, driver.ErrBadConn, policy.Ignored, policy.Failure},
		{here, driver.ErrSkip, policy.Ignored, policy.Ignored},
		{here, &policy.Rejected{Reason: policy.ErrOpen}, policy.Shed, policy.Shed},
		{here, fmt.Errorf("commit: %w: %w", ErrUnknown, io.EOF), policy.Failure, policy.Ignored},
		{late, errors.New("interrupted"), policy.Failure, policy.Failure},
		{late, state("23505"), policy.Success, policy.Success},
	} {
		if got, _ := Classify(c.ctx, nil, c.err); got != c.statement {
			t.Errorf("%v: a statement's is a %v, want %v", c.err, got, c.statement)
		}
		if got, _ := classifyTransaction(c.ctx, nil, c.err); got != c.transaction {
			t.Errorf("%v: a transaction's is a %v, want %v", c.err, got, c.transaction)
		}
	}
	gone, leave := context.WithCancel(here)
	leave()
	for _, err := range []error{state("57014"), state("40001"), io.EOF, context.Canceled} {
		if got, _ := Classify(gone, nil, err); got != policy.Ignored {
			t.Errorf("%v of a caller that is gone is a %v", err, got)
		}
	}
}

func TestUndone(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&pgconn.PgError{Code: "40001"}, true},
		{&pgconn.PgError{Code: "23503"}, true}, // a deferred constraint
		{&pgconn.PgError{Code: "40003"}, false},
		{&pgconn.PgError{Code: "57P01"}, false},
		{&pgconn.PgError{Code: "08007"}, false},
		{driver.ErrBadConn, false},
		{io.ErrUnexpectedEOF, false},
		{context.Canceled, false},
		{errors.New("who knows"), false},
	} {
		if got := undone(c.err); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}
