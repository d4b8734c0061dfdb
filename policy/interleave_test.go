package policy

import (
	"os/exec"
	"testing"

	"github.com/afloat-dev/afloat/internal/interleave"
)

// TestLockFreePartsHoldInEveryOrder compiles this package against stand-ins for
// sync and sync/atomic that hand the turn from step to step, and runs the
// scenarios of orders_test.go in every order that their steps can come in.
func TestLockFreePartsHoldInEveryOrder(t *testing.T) {
	overlay, err := interleave.Overlay(".", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "test", "-count=1", "-v", "-tags=interleave", "-overlay="+overlay, "-run=^TestOrders", ".").CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}
