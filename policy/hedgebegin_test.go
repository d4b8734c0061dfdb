package policy

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestHedgeOfACallThatItsCallerRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := NewHedge(HedgeConfig{Delay: 50 * time.Millisecond, Quantile: 0.5, Budget: BudgetConfig{Share: 0.1, MinPerSecond: -1}})
		if err != nil {
			t.Fatal(err)
		}
		further := 0
		for i := range 1000 {
			c := h.Begin()
			delay, ok := c.Delay()
			if want := 50 * time.Millisecond; !ok || i < 100 && delay != want {
				t.Fatalf("call %d: got %v, %v", i, delay, ok)
			}
			time.Sleep(20 * time.Millisecond)
			again := c.Again()
			if again {
				further++
				if c.Again() {
					t.Error("a second further try")
				}
			}
			c.Done(Success, again)
		}
		st := h.Status()
		if further == 0 || further > 100 || st.Started != uint64(further) || st.Won != uint64(further) || st.Refused != uint64(1000-further) {
			t.Errorf("%d further tries, %+v", further, st)
		}
		if !st.Measured || st.Delay < 18*time.Millisecond || st.Delay > 22*time.Millisecond {
			t.Errorf("measured %v, want about 20ms", st.Delay)
		}
		off, _ := NewHedge(HedgeConfig{Max: -1})
		c := off.Begin()
		if _, ok := c.Delay(); ok || c.Again() {
			t.Error("hedges although it is off")
		}
		c.Done(Success, false)
	})
}
