package policysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// sqlState is an error that knows its SQLSTATE, as pgx's PgError does.
type sqlState interface {
	error
	SQLState() string
}

// stateOf returns the error's SQLSTATE; empty without one.
func stateOf(err error) string {
	if e, ok := errors.AsType[sqlState](err); ok {
		return e.SQLState()
	}
	return ""
}

// Classify is the default [policy.Classifier] of a [Config]. A database that
// says what is wrong with a statement works: a constraint that is violated, a
// lost race with another transaction and wrong syntax are [policy.Success]. A
// [policy.Failure] is what says that it does not: the SQLSTATE classes 08
// (connection), 53 (resources), 57 (operator intervention, as by a shutdown or
// a statement's timeout) and 58 (system error), errors of the network, and
// timeouts. Too many connections, 53300, is [policy.Shed].
//
// [policy.Ignored] is what its own caller cancelled, and [driver.ErrBadConn]:
// the connection has been dead for a while, which says nothing of the
// database now, and database/sql takes another.
//
// Of a driver whose errors have no SQLSTATE, only those of the network and
// timeouts are known.
func Classify(ctx context.Context, _ any, err error) (policy.Class, time.Duration) {
	if err == nil {
		return policy.Success, 0
	}
	if rejected, ok := errors.AsType[*policy.Rejected](err); ok {
		return policy.Shed, rejected.RetryAfter
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return policy.Ignored, 0
	case errors.Is(err, policy.ErrInjected), errors.Is(err, context.DeadlineExceeded):
		return policy.Failure, 0
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, driver.ErrSkip):
		return policy.Ignored, 0
	}
	if state := stateOf(err); state != "" {
		return classifyState(state), 0
	}
	if ctx.Err() != nil || isNetwork(err) { // some drivers name neither
		return policy.Failure, 0
	}
	return policy.Success, 0
}

// classifyState says what a SQLSTATE means (ISO/IEC 9075, and appendix A of the
// manual of PostgreSQL).
func classifyState(state string) policy.Class {
	if state == "53300" { // too_many_connections
		return policy.Shed
	}
	for _, class := range [...]string{"08", "53", "57", "58"} {
		if strings.HasPrefix(state, class) {
			return policy.Failure
		}
	}
	return policy.Success
}

// isNetwork reports whether an error is of the connection and not of what was
// sent over it.
func isNetwork(err error) bool {
	for _, known := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, os.ErrDeadlineExceeded} {
		if errors.Is(err, known) {
			return true
		}
	}
	_, network := errors.AsType[net.Error](err)
	_, system := errors.AsType[syscall.Errno](err)
	return network || system
}
