// Package policysql puts the policies of package policy around a database/sql
// driver: connecting, pings, statements and transactions.
//
// A connector goes in and a connector comes out, so that all else stays as it
// is:
//
//	connector, err := policysql.Wrap(inner, policysql.Config{Policies: policies})
//	...
//	db := sql.OpenDB(connector)
//
// A statement is over when its rows are closed, and a transaction when it is
// committed or rolled back: permits are held until then. Within a transaction
// nothing is refused, since the work before would be lost and its locks would
// be held for nothing.
package policysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// Config configures a [Connector]. Zero fields take the default beside them.
type Config struct {
	// Policies guard the database; the first is outermost. The usual order is
	// RateLimit, Retry, Breaker, Bulkhead or Adaptive, Timeout: [policy.InOrder]
	// puts them into it. A Retry repeats connecting and pings only; a Timeout, and a Fault, are for every step of
	// a transaction, the others for the whole of it. Default: none.
	Policies []policy.Policy
	// Classify says what an error means. Default [Classify].
	Classify policy.Classifier
}

// Validate returns a [policy.FieldError] for each field that cannot be used,
// joined.
func (c Config) Validate() error {
	var problems []error
	for i, p := range c.Policies {
		problem := ""
		switch p := p.(type) {
		case *policy.Pipeline:
			problem = "is a Pipeline: list its policies themselves, so that each is where it belongs"
		case *policy.Hedge, *policy.Fallback, *policy.Cache, *policy.Singleflight:
			problem = "repeats calls or replaces results, which are tied to one connection here: put it around the function that reads the rows"
		case *policy.Timeout:
			if p.IsDetached() {
				problem = "is a detached Timeout: a connection that is still at work cannot be given to another; drivers heed their contexts"
			}
		}
		if problem != "" {
			problems = append(problems, &policy.FieldError{Field: fmt.Sprintf("policies[%d]", i), Problem: problem})
		}
	}
	return errors.Join(problems...)
}

// WithDefaults returns the configuration with its defaults filled in.
func (c Config) WithDefaults() Config {
	if c.Classify == nil {
		c.Classify = Classify
	}
	return c
}

// classifyConnecting has a connection that was made say nothing. A driver closes
// the connection of a statement that was cut off, and the next one makes
// another: a breaker that took each for a success would never see statements
// fail in a row.
func (c Config) classifyConnecting(ctx context.Context, value any, err error) (policy.Class, time.Duration) {
	class, after := c.Classify(ctx, value, err)
	if err == nil && class == policy.Success {
		class = policy.Ignored
	}
	return class, after
}

// Connector is a [driver.Connector] whose connections work through policies.
// It is safe for concurrent use; change the policies with their own Set.
type Connector struct {
	inner    driver.Connector
	classify policy.Classifier
	policies []policy.Policy // as they were given

	connecting  *policy.Pipeline // all policies
	statement   *policy.Pipeline // but the Retry
	transaction *policy.Pipeline // those that hold for the whole of one
	step        *policy.Pipeline // those that hold for each step of one
	bounds      *policy.Pipeline // those that hold for the last step, too
}

var (
	_ driver.Connector = (*Connector)(nil)
	_ io.Closer        = (*Connector)(nil)
)

// Check says where the policies leave the order that is safe by default; see
// [policy.Check]. Call it in a test, or as the program starts.
func (c *Connector) Check() []policy.Warning { return policy.Check(c.policies...) }

// Wrap returns a Connector around inner, or the problems of its Config.
func Wrap(inner driver.Connector, c Config) (*Connector, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.WithDefaults()
	var statement, transaction, step, bounds []policy.Policy
	for _, p := range c.Policies {
		switch p.(type) {
		case *policy.Retry: // a statement is repeated on the connection that it broke
			continue
		case *policy.Timeout:
			step, bounds = append(step, p), append(bounds, p)
		case *policy.Fault:
			step = append(step, p)
		default:
			transaction = append(transaction, p)
		}
		statement = append(statement, p)
	}
	return &Connector{
		inner:       inner,
		classify:    c.Classify,
		policies:    c.Policies,
		connecting:  policy.Chain(c.Policies...).Classified(c.classifyConnecting),
		statement:   policy.Chain(statement...).Classified(c.Classify),
		transaction: policy.Chain(transaction...).Classified(c.Classify),
		step:        policy.Chain(step...).Classified(c.Classify),
		bounds:      policy.Chain(bounds...).Classified(c.Classify),
	}, nil
}

// Connect opens a connection. Its error is the driver's, a [policy.Rejected] or
// another of package policy.
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := policy.Do(ctx, c.connecting, func(ctx context.Context) (driver.Conn, error) {
		inner, err := c.inner.Connect(ctx)
		return inner, inTime(ctx, err)
	})
	if err != nil {
		if inner != nil {
			_ = inner.Close() // a policy judged it too late
		}
		return nil, err
	}
	return newConn(c, inner), nil
}

// Driver returns the driver of the connector within.
func (c *Connector) Driver() driver.Driver { return c.inner.Driver() }

// Close closes the connector within, where it can be.
func (c *Connector) Close() error {
	if closer, ok := c.inner.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// inTime keeps a connection that died because its time was up from being taken
// for one that was dead before: database/sql would try another.
func inTime(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil && errors.Is(err, driver.ErrBadConn) {
		return ended
	}
	return err
}

// class is what an error of a call means.
func (c *Connector) class(ctx context.Context, err error) policy.Class {
	class, _ := c.classify(ctx, nil, err)
	return class
}
