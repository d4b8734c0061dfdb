package policysql

import (
	"context"
	"database/sql"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// TestWrappingCostsFewAllocations guards the figures of docs/policysql.md.
func TestWrappingCostsFewAllocations(t *testing.T) {
	bare := sql.OpenDB(newMoody())
	defer func() { _ = bare.Close() }()
	exec := func(db *sql.DB) func() {
		return func() {
			if _, err := db.ExecContext(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	without := testing.AllocsPerRun(1000, exec(bare))
	for _, c := range []struct {
		name     string
		policies []policy.Policy
		most     float64
	}{
		{"none", nil, 4},
		{"breaker, bulkhead", []policy.Policy{breaker(5, time.Minute), bulkhead(100)}, 4},
		{"breaker, bulkhead, timeout", []policy.Policy{breaker(5, time.Minute), bulkhead(100), timeout(time.Minute)}, 6},
	} {
		more := testing.AllocsPerRun(1000, exec(openMoody(t, newMoody(), c.policies...))) - without
		t.Logf("%s: %v allocations more", c.name, more)
		if more > c.most+1 { // the race detector drops pooled objects at random
			t.Errorf("%s: %v allocations more, want %v", c.name, more, c.most)
		}
	}
}

// BenchmarkBulkheadAroundTransactions compares permits for each statement with
// those for the whole transaction, on a PostgreSQL whose rows are contended: 8
// programs, 4 permits. Run it with -benchtime 200x.
func BenchmarkBulkheadAroundTransactions(b *testing.B) {
	for _, name := range []string{"statement", "transaction"} {
		b.Run(name, func(b *testing.B) {
			p := newPostgres(b)
			limit := must(policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: 4, QueueMax: 100, WaitMax: time.Second}))
			db, admit := p.open(b, limit), func(f func() error) error { return f() }
			if name == "statement" {
				db, admit = p.open(b), func(f func() error) error {
					_, err := policy.Do(b.Context(), limit, func(context.Context) (struct{}, error) { return struct{}{}, f() })
					return err
				}
			}
			db.SetMaxOpenConns(8)
			exec1(b, db, "create table counter (id int primary key, n int not null)")
			exec1(b, db, "insert into counter values (1, 0), (2, 0)")
			var failed atomic.Int64
			b.SetParallelism(4) // of two cores
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if countTwice(b.Context(), db, admit) != nil {
						failed.Add(1)
					}
				}
			})
			b.ReportMetric(float64(failed.Load())/float64(b.N), "failed/op")
		})
	}
}

// countTwice is a transaction of two steps that everybody wants to make.
func countTwice(ctx context.Context, db *sql.DB, admit func(func() error) error) error {
	var tx *sql.Tx
	err := admit(func() (err error) { tx, err = db.BeginTx(ctx, nil); return err })
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, id := range []int{1, 2} {
		err := admit(func() error {
			_, err := tx.ExecContext(ctx, "update counter set n = n + 1 where id = $1", id)
			return err
		})
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}
