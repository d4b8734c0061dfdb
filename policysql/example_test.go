package policysql_test

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/afloat-dev/afloat/policy"
	"github.com/afloat-dev/afloat/policysql"
)

// A database behind a breaker, with a bound on what runs and on how long it
// takes. Here nobody listens: the third attempt is not even made.
func ExampleWrap() {
	breaker, err := policy.NewBreaker(policy.BreakerConfig{Name: "stock", ConsecutiveFailures: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	bulkhead, err := policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	timeout, err := policy.NewTimeout(policy.TimeoutConfig{Timeout: time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	config, err := pgx.ParseConfig("host=127.0.0.1 port=1 user=stock")
	if err != nil {
		fmt.Println(err)
		return
	}
	connector, err := policysql.Wrap(stdlib.GetConnector(*config), policysql.Config{
		Policies: []policy.Policy{breaker, bulkhead, timeout}, // the first is outermost
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()

	for range 2 {
		if err := db.Ping(); err == nil {
			fmt.Println("somebody listens")
		}
	}
	fmt.Println(db.Ping())
	// Output: breaker: circuit breaker is open
}

// Money is moved once, however often the database asks to try again.
func ExampleTransact() {
	var db *sql.DB // of a Connector, or of the driver's own
	retry, err := policy.NewRetry(policy.RetryConfig{Attempts: 5})
	if err != nil {
		fmt.Println(err)
		return
	}
	serializable := &sql.TxOptions{Isolation: sql.LevelSerializable}
	err = policysql.Transact(context.Background(), db, retry, serializable, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "update account set money = money - $1 where name = $2", 10, "ada")
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "update account set money = money + $1 where name = $2", 10, "bob")
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
}
