package policy

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestLeavingDiscardsWhatCameAndWhatIsToCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s stragglers
		came, toCome := new(closable), new(closable)
		d := newDetached(&s, 2)
		d.start(t.Context(), NextFunc(func(context.Context) Result { return Result{Value: came} }), 0)
		d.start(t.Context(), NextFunc(func(context.Context) Result {
			time.Sleep(time.Second)
			return Result{Value: toCome}
		}), 1)
		synctest.Wait()
		d.leave()
		if n := s.count.Load(); came.closed != 1 || n != 1 {
			t.Errorf("on leaving: closed %d times, %d stragglers", came.closed, n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := s.count.Load(); came.closed != 1 || toCome.closed != 1 || n != 0 {
			t.Errorf("later: closed %d and %d times, %d stragglers", came.closed, toCome.closed, n)
		}
	})
}
