package freeport

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestAddressesAreFreeAndGivenOnce(t *testing.T) {
	all, err := Addresses(200)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, address := range all {
		if seen[address] {
			t.Errorf("%s is given twice", address)
		}
		seen[address] = true
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if _, ok := take(address); ok {
			t.Errorf("%s is given again", address)
		}
	}
}

// TestOtherProcessesGetOthers asks another process for an address that this one
// was given.
func TestOtherProcessesGetOthers(t *testing.T) {
	if address := os.Getenv("AFLOAT_TEST_FREEPORT"); address != "" {
		if _, ok := take(address); ok {
			t.Error("it is given again")
		}
		return
	}
	c := exec.Command(os.Args[0], "-test.run=^TestOtherProcessesGetOthers$")
	c.Env = append(os.Environ(), "AFLOAT_TEST_FREEPORT="+Address(t))
	if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestRangeIsWhatTheKernelLeaves(t *testing.T) {
	for kernel, want := range map[string][2]int{
		"32768\t60999\n": {10240, 32767}, "1024 40000": {40001, 65535}, "1024 65535": {0, 0}, "": {0, 0},
	} {
		if low, high := outside(kernel); [2]int{low, high} != want {
			t.Errorf("outside %q: got %d to %d, want %v", kernel, low, high, want)
		}
	}
}
