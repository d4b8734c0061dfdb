package policysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/afloat-dev/afloat/internal/postgrestest"
	"github.com/afloat-dev/afloat/policy"
)

// patience bounds how long a real server may take to do anything.
const patience = postgrestest.Patience

// postgres is a server of a test's own.
type postgres struct{ *postgrestest.Server }

func newPostgres(t testing.TB) *postgres {
	t.Helper()
	return &postgres{postgrestest.New(t)}
}

// open returns the database through policies.
func (p *postgres) open(t testing.TB, policies ...policy.Policy) *sql.DB {
	t.Helper()
	config, err := pgx.ParseConfig(p.DSN())
	if err != nil {
		t.Fatal(err)
	}
	connector, err := Wrap(stdlib.GetConnector(*config), Config{Policies: policies})
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func must[P any](p P, err error) P {
	if err != nil {
		panic(err)
	}
	return p
}

func breaker(failures int, open time.Duration) *policy.Breaker {
	return must(policy.NewBreaker(policy.BreakerConfig{ConsecutiveFailures: failures, FailureRate: -1, OpenDuration: open}))
}

func timeout(d time.Duration) *policy.Timeout {
	return must(policy.NewTimeout(policy.TimeoutConfig{Timeout: d}))
}

func retry(attempts int) *policy.Retry {
	return must(policy.NewRetry(policy.RetryConfig{Attempts: attempts, Delay: time.Millisecond, Budget: policy.BudgetConfig{Off: true}}))
}

func bulkhead(n int) *policy.Bulkhead {
	return must(policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: n}))
}

// eventually waits until something holds of a real server.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func exec1(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func number(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// TestPostgres runs the stories one after another on one server.
func TestPostgres(t *testing.T) {
	p := newPostgres(t)
	t.Run("WorksAsWithout", func(t *testing.T) { testWorksAsWithout(t, p) })
	t.Run("WrongStatementsAreNoFailures", func(t *testing.T) { testWrongStatements(t, p) })
	t.Run("SlowStatementsHitTheTimeout", func(t *testing.T) { testSlowStatements(t, p) })
	t.Run("PermitsAreHeldToTheEnd", func(t *testing.T) { testPermits(t, p) })
	t.Run("TooManyConnectionsAreShed", func(t *testing.T) { testTooManyConnections(t, p) })
	t.Run("SerializationFailureIsRepeated", func(t *testing.T) { testSerialization(t, p) })
	t.Run("BrokenTransactionIsRepeated", func(t *testing.T) { testBrokenTransaction(t, p) })
	t.Run("UnknownCommitIsNotRepeated", func(t *testing.T) { testUnknownCommit(t, p) })
	t.Run("BreakerOpensAndHeals", func(t *testing.T) { testBreaker(t, p) })
	t.Run("RetryConnectsWhenItCan", func(t *testing.T) { testRetryConnects(t, p) })
}

func testWorksAsWithout(t *testing.T, p *postgres) {
	db := p.open(t, breaker(1, time.Minute), bulkhead(4), timeout(patience))
	exec1(t, db, "create table stock (item text primary key, pieces int not null)")
	prepared, err := db.PrepareContext(t.Context(), "insert into stock values ($1, $2)")
	if err != nil {
		t.Fatal(err)
	}
	for i, item := range []string{"ship", "boat", "raft"} {
		if _, err := prepared.ExecContext(t.Context(), item, i+1); err != nil {
			t.Fatal(err)
		}
	}
	_ = prepared.Close()
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelSerializable})
	if err != nil {
		t.Fatal(err)
	}
	var level string
	if err := tx.QueryRow("show transaction isolation level").Scan(&level); err != nil || level != "serializable" {
		t.Errorf("%q, %v", level, err)
	}
	if _, err := tx.Exec("update stock set pieces = 10 where item = 'ship'"); err != nil {
		t.Error(err)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	rolled, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rolled.Exec("delete from stock"); err != nil {
		t.Error(err)
	}
	if err := rolled.Rollback(); err != nil {
		t.Error(err)
	}
	if n := number(t, db, "select sum(pieces) from stock"); n != 15 {
		t.Errorf("sum %d", n)
	}
	rows, err := db.QueryContext(t.Context(), "select item, pieces from stock order by item")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	if types, err := rows.ColumnTypes(); err != nil || types[0].DatabaseTypeName() != "TEXT" || types[1].DatabaseTypeName() != "INT4" {
		t.Errorf("types %v, %v", types, err)
	}
	count := 0
	for rows.Next() {
		count++
	}
	if rows.Err() != nil || count != 3 {
		t.Errorf("%d rows, %v", count, rows.Err())
	}
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	err = c.Raw(func(raw any) error {
		own := raw.(interface{ Unwrap() driver.Conn }).Unwrap().(*stdlib.Conn).Conn()
		return own.Ping(t.Context())
	})
	if err != nil {
		t.Error(err)
	}
}

func testWrongStatements(t *testing.T, p *postgres) {
	b := breaker(1, time.Minute)
	db := p.open(t, b)
	for query, state := range map[string]string{
		"insert into stock values ('ship', 1)": "23505",
		"selekt":                               "42601",
		"select 1/0":                           "22012",
	} {
		_, err := db.ExecContext(t.Context(), query)
		if stateOf(err) != state {
			t.Errorf("%s: %v", query, err)
		}
	}
	if err := db.QueryRowContext(t.Context(), "select 1 where false").Scan(new(int)); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("no rows: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.ExecContext(ctx, "select 1"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if s := b.Status().State; s != policy.BreakerClosed {
		t.Errorf("the breaker is %v", s)
	}
}

func testSlowStatements(t *testing.T, p *postgres) {
	limit := timeout(100 * time.Millisecond)
	for name, ask := range map[string]func(*sql.DB) error{
		"exec": func(db *sql.DB) error { _, err := db.ExecContext(t.Context(), "select pg_sleep(60)"); return err },
		"query": func(db *sql.DB) error {
			return db.QueryRowContext(t.Context(), "select pg_sleep(60)").Scan(new(string))
		},
		"rows": func(db *sql.DB) error {
			rows, err := db.QueryContext(t.Context(), "select i, case when i > 10000 then pg_sleep(60) end from generate_series(1, 20000) i")
			if err != nil {
				return err
			}
			for rows.Next() {
			}
			_ = rows.Close()
			return rows.Err()
		},
		"transaction": func(db *sql.DB) error {
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(t.Context(), "select pg_sleep(60)")
			_ = tx.Rollback()
			return err
		},
	} {
		b := breaker(1, time.Minute)
		db := p.open(t, b, limit)
		if err := limit.Set(policy.TimeoutConfig{Timeout: patience}); err != nil {
			t.Fatal(err)
		}
		exec1(t, db, "select 1") // connects in peace
		if err := limit.Set(policy.TimeoutConfig{Timeout: 100 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		if err := ask(db); !errors.Is(err, policy.ErrTimeout) {
			t.Errorf("%s: %v", name, err)
		}
		if s := b.Status().State; s != policy.BreakerOpen {
			t.Errorf("%s: the breaker is %v", name, s)
		}
		if _, err := db.ExecContext(t.Context(), "select 1"); !errors.Is(err, policy.ErrOpen) {
			t.Errorf("%s: %v from an open breaker", name, err)
		}
	}
	// A transaction may take longer than each of its steps.
	if err := limit.Set(policy.TimeoutConfig{Timeout: 2 * time.Second}); err != nil {
		t.Fatal(err)
	}
	db := p.open(t, limit)
	err := Transact(t.Context(), db, policy.Chain(), nil, func(ctx context.Context, tx *sql.Tx) error {
		for range 5 {
			if _, err := tx.ExecContext(ctx, "select pg_sleep(0.5)"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Errorf("a transaction of many short steps: %v", err)
	}
}

func testPermits(t *testing.T, p *postgres) {
	b := bulkhead(1)
	db := p.open(t, b)
	refused := func() bool {
		_, err := db.ExecContext(t.Context(), "select 1")
		if err != nil && !errors.Is(err, policy.ErrFull) {
			t.Error(err)
		}
		return err != nil
	}
	rows, err := db.QueryContext(t.Context(), "select generate_series(1, 3)")
	if err != nil {
		t.Fatal(err)
	}
	if !rows.Next() || !refused() {
		t.Error("rows that are read hold no permit")
	}
	if _ = rows.Close(); refused() {
		t.Error("closed rows hold a permit")
	}
	for name, end := range map[string]func(*sql.Tx) error{"commit": (*sql.Tx).Commit, "rollback": (*sql.Tx).Rollback} {
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if !refused() {
			t.Error("a transaction holds no permit")
		}
		for range 3 { // and needs no other
			if _, err := tx.Exec("select 1"); err != nil {
				t.Error(err)
			}
		}
		if err := end(tx); err != nil || refused() {
			t.Errorf("%s: %v, and it holds a permit", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := db.BeginTx(ctx, nil); err != nil {
		t.Fatal(err)
	}
	cancel() // database/sql rolls back
	eventually(t, "a transaction whose caller is gone gives its permit back", func() bool { return !refused() })
}

func testTooManyConnections(t *testing.T, p *postgres) {
	give := p.occupy(t, postgrestest.ConnectionsMax)
	b := breaker(1, time.Minute)
	var connects atomic.Int64
	db := p.open(t, retry(3), counting(&connects), b)
	if _, err := db.Conn(t.Context()); stateOf(err) != "53300" {
		t.Errorf("got %v", err)
	}
	if s := b.Status().State; s != policy.BreakerClosed || connects.Load() != 1 {
		t.Errorf("the breaker is %v after %d tries", s, connects.Load())
	}
	give()
	eventually(t, "it connects again", func() bool { return db.PingContext(t.Context()) == nil })
	p.occupy(t, postgrestest.ConnectionsMax/2)() // the server has let go of the others, too
}

// occupy takes n of the server's connections. Those that were closed before are
// free a moment later.
func (p *postgres) occupy(t *testing.T, n int) (give func()) {
	t.Helper()
	hog := p.open(t)
	var held []*sql.Conn
	eventually(t, fmt.Sprintf("%d connections are free", n), func() bool {
		for len(held) < n {
			c, err := hog.Conn(t.Context())
			if err != nil {
				return false
			}
			held = append(held, c)
		}
		return true
	})
	return func() {
		for _, c := range held {
			_ = c.Close()
		}
		_ = hog.Close()
	}
}

// countingPolicy counts the calls that pass it.
type countingPolicy struct{ calls *atomic.Int64 }

func counting(calls *atomic.Int64) policy.Policy { return countingPolicy{calls} }

func (c countingPolicy) Do(ctx context.Context, next policy.Next) policy.Result {
	c.calls.Add(1)
	return next.Do(ctx)
}

// testSerialization has two transactions read the same before either writes:
// one of them must fail, be repeated, and see what the other wrote.
func testSerialization(t *testing.T, p *postgres) {
	db := p.open(t, breaker(1, time.Minute))
	exec1(t, db, "create table account (id int primary key, money int not null)")
	exec1(t, db, "insert into account values (1, 100)")
	var both, done sync.WaitGroup
	both.Add(2)
	var mu sync.Mutex
	tries := 0
	for range 2 {
		first := true
		done.Go(func() {
			err := Transact(t.Context(), db, retry(5), &sql.TxOptions{Isolation: sql.LevelSerializable}, func(ctx context.Context, tx *sql.Tx) error {
				mu.Lock()
				tries++
				mu.Unlock()
				var money int
				if err := tx.QueryRowContext(ctx, "select money from account where id = 1").Scan(&money); err != nil {
					return err
				}
				if first {
					first = false
					both.Done()
					both.Wait()
				}
				_, err := tx.ExecContext(ctx, "update account set money = $1 where id = 1", money+10)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if n := number(t, db, "select money from account where id = 1"); n != 120 || tries < 3 {
		t.Errorf("money %d after %d tries", n, tries)
	}
	own := errors.New("no cover")
	calls := 0
	err := Transact(t.Context(), db, retry(5), nil, func(ctx context.Context, tx *sql.Tx) error {
		calls++
		if _, err := tx.ExecContext(ctx, "update account set money = 0"); err != nil {
			return err
		}
		return own
	})
	if !errors.Is(err, own) || calls != 1 || number(t, db, "select money from account where id = 1") != 120 {
		t.Errorf("an error of its own: %v after %d calls", err, calls)
	}
	func() {
		defer func() { _ = recover() }()
		_ = Transact(t.Context(), db, retry(5), nil, func(ctx context.Context, tx *sql.Tx) error {
			_, _ = tx.ExecContext(ctx, "update account set money = 0")
			panic("own")
		})
		t.Error("the panic was lost")
	}()
	if number(t, db, "select money from account where id = 1") != 120 || db.Stats().InUse != 0 {
		t.Errorf("after a panic: %+v", db.Stats())
	}
}

func testBrokenTransaction(t *testing.T, p *postgres) {
	db, other := p.open(t), p.open(t)
	calls := 0
	err := Transact(t.Context(), db, retry(3), nil, func(ctx context.Context, tx *sql.Tx) error {
		calls++
		if _, err := tx.ExecContext(ctx, "update account set money = money + 1"); err != nil {
			return err
		}
		if calls == 1 {
			var pid int
			if err := tx.QueryRowContext(ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
				return err
			}
			exec1(t, other, "select pg_terminate_backend($1, 10000)", pid)
		}
		_, err := tx.ExecContext(ctx, "select 1")
		return err
	})
	if err != nil || calls != 2 || number(t, other, "select money from account where id = 1") != 121 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

func testUnknownCommit(t *testing.T, p *postgres) {
	b := breaker(1, time.Minute)
	db := p.open(t, b)
	calls := 0
	err := Transact(t.Context(), db, retry(3), nil, func(ctx context.Context, tx *sql.Tx) error {
		calls++
		_, err := tx.ExecContext(ctx, "update account set money = money + 1")
		p.Kill()
		return err
	})
	if !errors.Is(err, ErrUnknown) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	if s := b.Status().State; s != policy.BreakerOpen {
		t.Errorf("the breaker is %v", s)
	}
	p.Start(t)
}

// testBreaker kills the server: the breaker opens, and says no without asking;
// started again, it heals.
func testBreaker(t *testing.T, p *postgres) {
	b := breaker(3, time.Second)
	var connects atomic.Int64
	db := p.open(t, b, counting(&connects))
	exec1(t, db, "select 1")
	p.Kill()
	eventually(t, "the breaker opens", func() bool {
		_, err := db.ExecContext(t.Context(), "select 1")
		if err == nil {
			t.Error("a dead server has answered")
		}
		return b.Status().State == policy.BreakerOpen
	})
	eventually(t, "it says no without asking", func() bool {
		asked := connects.Load()
		_, err := db.Conn(t.Context())
		var rejected *policy.Rejected
		return errors.As(err, &rejected) && rejected.Reason == policy.ErrOpen && connects.Load() == asked
	})
	p.Start(t)
	eventually(t, "the breaker closes", func() bool {
		_, err := db.ExecContext(t.Context(), "select 1")
		return err == nil && b.Status().State == policy.BreakerClosed
	})
}

// testRetryConnects: a Retry bridges a restart.
func testRetryConnects(t *testing.T, p *postgres) {
	p.Kill()
	patient := must(policy.NewRetry(policy.RetryConfig{Attempts: 20, Delay: 100 * time.Millisecond, DelayMax: time.Second, Budget: policy.BudgetConfig{Off: true}}))
	var connects atomic.Int64
	db := p.open(t, patient, counting(&connects))
	pinged := make(chan error, 1)
	go func() { pinged <- db.PingContext(t.Context()) }()
	eventually(t, "it tries again", func() bool { return connects.Load() >= 2 })
	p.Start(t)
	if err := <-pinged; err != nil {
		t.Error(err)
	}
}
