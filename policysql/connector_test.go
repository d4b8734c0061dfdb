package policysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// moody is a driver that does what its mood says for each operation. Nil is
// fine.
type moody struct {
	mood map[string]func(context.Context) error

	mu     sync.Mutex // database/sql rolls back from a goroutine of its own
	counts map[string]int
}

func newMoody() *moody {
	return &moody{mood: map[string]func(context.Context) error{}, counts: map[string]int{}}
}

// count is how often the operation was asked for.
func (m *moody) count(operation string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts[operation]
}

func (m *moody) do(ctx context.Context, operation string) error {
	m.mu.Lock()
	m.counts[operation]++
	m.mu.Unlock()
	if f := m.mood[operation]; f != nil {
		return f(ctx)
	}
	return nil
}

func (m *moody) Connect(ctx context.Context) (driver.Conn, error) {
	return moodyConn{m}, m.do(ctx, "connect")
}
func (m *moody) Driver() driver.Driver { return nil }

type moodyConn struct{ *moody }

func (c moodyConn) Prepare(string) (driver.Stmt, error)    { return nil, errors.New("not here") }
func (c moodyConn) Close() error                           { return c.do(context.Background(), "close") }
func (c moodyConn) Begin() (driver.Tx, error)              { return nil, errors.New("not here") }
func (c moodyConn) Ping(ctx context.Context) error         { return c.do(ctx, "ping") }
func (c moodyConn) ResetSession(ctx context.Context) error { return c.do(ctx, "reset") }
func (c moodyConn) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	return moodyTx{c.moody, ctx}, c.do(ctx, "begin")
}
func (c moodyConn) PrepareContext(ctx context.Context, _ string) (driver.Stmt, error) {
	return nil, c.do(ctx, "prepare")
}
func (c moodyConn) ExecContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), c.do(ctx, "exec")
}
func (c moodyConn) QueryContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Rows, error) {
	return moodyRows{c.moody, ctx}, c.do(ctx, "query")
}

// moodyTx keeps its context, as pgx's does.
type moodyTx struct {
	*moody
	ctx context.Context
}

func (t moodyTx) Commit() error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	return t.do(t.ctx, "commit")
}
func (t moodyTx) Rollback() error { return t.do(t.ctx, "rollback") }

type moodyRows struct {
	*moody
	ctx context.Context
}

func (r moodyRows) Columns() []string         { return []string{"a"} }
func (r moodyRows) Close() error              { return nil }
func (r moodyRows) Next([]driver.Value) error { return r.do(r.ctx, "next") }

// hangs until its context ends, and says then what pgx says in places: that
// the connection is bad.
func hangs(ctx context.Context) error { <-ctx.Done(); return driver.ErrBadConn }

func fails(err error) func(context.Context) error { return func(context.Context) error { return err } }

func openMoody(t *testing.T, m *moody, policies ...policy.Policy) *sql.DB {
	t.Helper()
	connector, err := Wrap(m, Config{Policies: policies})
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// operations are what a program can ask for, by what the driver sees.
var operations = map[string]func(context.Context, *sql.DB) error{
	"connect": func(ctx context.Context, db *sql.DB) error {
		c, err := db.Conn(ctx)
		if err == nil {
			err = c.Close()
		}
		return err
	},
	"ping": func(ctx context.Context, db *sql.DB) error { return db.PingContext(ctx) },
	"exec": func(ctx context.Context, db *sql.DB) error { _, err := db.ExecContext(ctx, ""); return err },
	"prepare": func(ctx context.Context, db *sql.DB) error {
		_, err := db.PrepareContext(ctx, "")
		return err
	},
	"begin": func(ctx context.Context, db *sql.DB) error {
		tx, err := db.BeginTx(ctx, nil)
		if err == nil {
			err = tx.Rollback()
		}
		return err
	},
	"commit": func(ctx context.Context, db *sql.DB) error {
		tx, err := db.BeginTx(ctx, nil)
		if err == nil {
			err = tx.Commit()
		}
		return err
	},
	"rollback": func(ctx context.Context, db *sql.DB) error {
		tx, err := db.BeginTx(ctx, nil)
		if err == nil {
			err = tx.Rollback()
		}
		return err
	},
	"query": func(ctx context.Context, db *sql.DB) error { return db.QueryRowContext(ctx, "").Scan(new(int)) },
	"next":  func(ctx context.Context, db *sql.DB) error { return db.QueryRowContext(ctx, "").Scan(new(int)) },
}

// TestTimeoutIsNotMultiplied: each operation that hangs ends once at its
// timeout, though the driver calls the connection bad and database/sql would
// try it on two more.
func TestBreakerOpensThoughEachStatementHasANewConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMoody()
		m.mood["exec"] = hangs // and its connection is closed
		breaker, err := policy.NewBreaker(policy.BreakerConfig{ConsecutiveFailures: 3, Probes: 1})
		if err != nil {
			t.Fatal(err)
		}
		db := openMoody(t, m, breaker, timeout(time.Second))
		for i := range 3 {
			if _, err := db.ExecContext(t.Context(), ""); !errors.Is(err, policy.ErrTimeout) {
				t.Fatalf("statement %d: %v", i, err)
			}
		}
		if _, err := db.ExecContext(t.Context(), ""); !errors.Is(err, policy.ErrOpen) || m.count("connect") != 3 {
			t.Errorf("after %d connections: %v", m.count("connect"), err)
		}
		delete(m.mood, "exec")
		time.Sleep(10 * time.Second)
		if _, err := db.ExecContext(t.Context(), ""); err != nil || breaker.Status().State != policy.BreakerClosed {
			t.Errorf("healed: %v, %v", err, breaker.Status())
		}
	})
}

func TestTimeoutIsNotMultiplied(t *testing.T) {
	for name, operation := range operations {
		synctest.Test(t, func(t *testing.T) {
			m := newMoody()
			var ended []policy.Class
			db := openMoody(t, m, watching{&ended}, timeout(time.Second))
			m.mood[name] = hangs
			began := time.Now()
			err := operation(t.Context(), db)
			if !errors.Is(err, policy.ErrTimeout) || errors.Is(err, driver.ErrBadConn) || time.Since(began) != time.Second || m.count(name) != 1 {
				t.Errorf("%s: %v after %v and %d times", name, err, time.Since(began), m.count(name))
			}
			if len(ended) == 0 || ended[len(ended)-1] != policy.Failure {
				t.Errorf("%s: the policies saw %v", name, ended)
			}
			m.mood[name] = nil
			m.mood["next"] = fails(io.EOF)
			if err := db.PingContext(t.Context()); err != nil {
				t.Errorf("%s: healed: %v", name, err)
			}
			if want := 2; name != "connect" && m.count("connect") != want {
				t.Errorf("%s: %d connections: the dead one was used again", name, m.count("connect"))
			}
		})
	}
}

func TestResetThatHangsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMoody()
		db := openMoody(t, m, timeout(time.Second))
		m.mood["reset"] = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		for range 2 {
			if _, err := db.ExecContext(t.Context(), ""); err != nil {
				t.Error(err)
			}
		}
		if m.count("reset") != 1 || m.count("connect") != 2 {
			t.Errorf("%v: the connection was used though it hung", m.counts)
		}
	})
}

// TestBadConnectionsAreReplaced: those that a restart of the database left in
// the pool say nothing of its health.
func TestBadConnectionsAreReplaced(t *testing.T) {
	m, b := newMoody(), breaker(1, time.Minute)
	db := openMoody(t, m, retry(3), b)
	m.mood["exec"] = func(context.Context) error {
		if m.count("exec") < 3 {
			return driver.ErrBadConn
		}
		return nil
	}
	if _, err := db.ExecContext(t.Context(), ""); err != nil || m.count("exec") != 3 {
		t.Errorf("%v after %d times", err, m.count("exec"))
	}
	if s := b.Status().State; s != policy.BreakerClosed {
		t.Errorf("the breaker is %v", s)
	}
	m.mood["exec"] = fails(driver.ErrBadConn)
	m.counts["exec"] = 0
	if _, err := db.ExecContext(t.Context(), ""); !errors.Is(err, driver.ErrBadConn) || m.count("exec") != 3 {
		t.Errorf("%v after %d times, want the 3 of database/sql", err, m.count("exec"))
	}
}

// TestTransactionIsOneCall: its failures are one, and what is not the
// database's is none.
func TestTransactionIsOneCall(t *testing.T) {
	failure := io.ErrUnexpectedEOF
	transaction := func(db *sql.DB) {
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			return
		}
		for range 3 {
			_, _ = tx.Exec("")
		}
		_ = tx.Commit()
	}
	for _, c := range []struct {
		name, operation string
		err             error
		failures        int
	}{
		{"nothing", "none", nil, 0},
		{"every step", "exec", failure, 1},
		{"its begin", "begin", failure, 1},
		{"its commit", "commit", failure, 1},
		{"a wrong statement", "exec", errors.New("wrong"), 0},
	} {
		m := newMoody()
		var ended []policy.Class
		db := openMoody(t, m, watching{&ended})
		if err := db.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		ended = nil
		m.mood[c.operation] = fails(c.err)
		transaction(db)
		failed := 0
		for _, class := range ended {
			if class == policy.Failure {
				failed++
			}
		}
		if len(ended) != 1 || failed != c.failures {
			t.Errorf("%s fails: the policies saw %v", c.name, ended)
		}
	}
}

// watching notes how calls end.
type watching struct{ ended *[]policy.Class }

func (w watching) Do(ctx context.Context, next policy.Next) policy.Result {
	r := next.Do(ctx)
	r.AtEnd(func(class policy.Class) { *w.ended = append(*w.ended, class) })
	return r
}

func TestBrokenRowsAreAFailure(t *testing.T) {
	m := newMoody()
	var ended []policy.Class
	db := openMoody(t, m, watching{&ended})
	m.mood["next"] = fails(io.ErrUnexpectedEOF)
	_ = operations["next"](t.Context(), db)
	if want := []policy.Class{policy.Ignored, policy.Failure}; !slices.Equal(ended, want) { // connect, query
		t.Errorf("got %v, want %v", ended, want)
	}
}

// TestCancelledTransactionKeepsItsConnection, of a driver that rolls back
// whatever becomes of the context, and is nobody's failure.
func TestCancelledTransactionKeepsItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMoody()
		var ended []policy.Class
		db := openMoody(t, m, watching{&ended}, timeout(time.Minute))
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := db.BeginTx(ctx, nil); err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()                                                                                                     // for database/sql to roll back
		if want := []policy.Class{policy.Ignored, policy.Ignored}; !slices.Equal(ended, want) || m.count("rollback") != 1 { // connect, transaction
			t.Errorf("the policies saw %v, want %v; %v", ended, want, m.counts)
		}
		if err := db.PingContext(t.Context()); err != nil || m.count("connect") != 1 {
			t.Errorf("%v; %v", err, m.counts)
		}
	})
}

func TestTransactionGoesWithItsConnection(t *testing.T) {
	b := bulkhead(1)
	connector, err := Wrap(newMoody(), Config{Policies: []policy.Policy{b}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := connector.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.(driver.ConnBeginTx).BeginTx(t.Context(), driver.TxOptions{}); err != nil {
		t.Fatal(err)
	}
	if n := b.Status().InFlight; n != 1 {
		t.Errorf("%d run during a transaction", n)
	}
	if err := c.Close(); err != nil || b.Status().InFlight != 0 {
		t.Errorf("%v; %d run after it", err, b.Status().InFlight)
	}
}

// TestFaultMeetsEveryStep: a Fault stands in for the database within a
// transaction, too.
func TestFaultMeetsEveryStep(t *testing.T) {
	m, b := newMoody(), breaker(1, time.Minute)
	fault := must(policy.NewFault(policy.FaultConfig{}))
	db := openMoody(t, m, b, fault)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := fault.Set(policy.FaultConfig{Abort: policy.FaultAbort{Share: 1}}); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(""); !errors.Is(err, policy.ErrInjected) || m.count("exec") != 0 {
		t.Errorf("%v; executed %d times", err, m.count("exec"))
	}
	if err := tx.Rollback(); err != nil || b.Status().State != policy.BreakerOpen {
		t.Errorf("%v; the breaker is %v", err, b.Status().State)
	}
}

func TestTransactRepeatsWhatIsUndone(t *testing.T) {
	for _, c := range []struct {
		operation string
		err       error
		commits   int
		unknown   bool
	}{
		{"commit", driver.ErrBadConn, 1, true}, // as lib/pq says when the answer is lost
		{"commit", io.ErrUnexpectedEOF, 1, true},
		{"exec", driver.ErrBadConn, 0, false},
		{"exec", io.ErrUnexpectedEOF, 0, false},
	} {
		m := newMoody()
		db := openMoody(t, m)
		m.mood[c.operation] = fails(c.err)
		calls := 0
		err := Transact(t.Context(), db, retry(3), nil, func(ctx context.Context, tx *sql.Tx) error {
			calls++
			_, err := tx.ExecContext(ctx, "")
			return err
		})
		want := 4
		if c.unknown {
			want = 1
		}
		if !errors.Is(err, c.err) || calls != want || m.count("commit") != c.commits || errors.Is(err, ErrUnknown) != c.unknown {
			t.Errorf("%s says %v: %v after %d calls and %d commits", c.operation, c.err, err, calls, m.count("commit"))
		}
	}
}

func TestTransactCommitsNothingForACallerThatIsGone(t *testing.T) {
	m := newMoody()
	db := openMoody(t, m)
	ctx, cancel := context.WithCancel(t.Context())
	err := Transact(ctx, db, retry(3), nil, func(context.Context, *sql.Tx) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknown) || m.count("commit") != 0 || m.count("begin") != 1 {
		t.Errorf("%v; %v", err, m.counts)
	}
}

func TestConfigTellsEveryProblem(t *testing.T) {
	detached := must(policy.NewTimeout(policy.TimeoutConfig{Detached: true}))
	hedge := must(policy.NewHedge(policy.HedgeConfig{}))
	_, err := Wrap(newMoody(), Config{Policies: []policy.Policy{policy.Chain(), detached, timeout(time.Second), hedge}})
	for i, wrong := range []bool{true, true, false, true} {
		if got := err != nil && strings.Contains(err.Error(), fmt.Sprintf("policies[%d]:", i)); got != wrong {
			t.Errorf("policies[%d]: %v", i, err)
		}
	}
}

func TestImportsNothingButTheStandardLibraryAndPolicy(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/afloat-dev/afloat/"
	if got, want := strings.Fields(string(out)), []string{module + "policy", module + "policysql"}; !slices.Equal(got, want) {
		t.Errorf("imports %v, want %v", got, want)
	}
}

func TestOrderOfPoliciesIsChecked(t *testing.T) {
	retry, b := must(policy.NewRetry(policy.RetryConfig{})), must(policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: 1}))
	for warnings, policies := range map[int][]policy.Policy{0: {retry, b}, 1: {b, retry}} {
		connector, err := Wrap(newMoody(), Config{Policies: policies})
		if err != nil {
			t.Fatal(err)
		}
		if got := connector.Check(); len(got) != warnings {
			t.Errorf("got %v, want %d", got, warnings)
		}
	}
}
