package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/afloat-dev/afloat/internal/freeport"
)

// TestServesOnAFullDisk: on one that was full before the first start, and so
// has none of the files that Afloat keeps.
func TestServesOnAFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a small disk")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	address := freeport.Address(t)
	text := fmt.Sprintf(`listen: %s
admin: {address: "off"}
data: data
accessLog: {path: access.log}
alerts: {receivers: {pager: "http://127.0.0.1:9/"}}
services:
  web:
    process: {command: [%s, sample, -listen, "127.0.0.1:$(PORT)"], log: {path: web.log}}
`, address, filepath.Join(programs, "afloat"))
	if err := os.WriteFile(filepath.Join(dir, "afloat.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 2<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	var out bytes.Buffer
	c := exec.Command(filepath.Join(programs, "afloat"), "run", "-f", "afloat.yaml")
	c.Dir, c.Stdout, c.Stderr = dir, &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() }) // where it has not ended
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	end := func(signal os.Signal) error {
		_ = c.Process.Signal(signal) // it may have ended
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			_ = c.Process.Signal(syscall.SIGQUIT)
			return fmt.Errorf("it does not end: %w", <-ended)
		}
	}
	soon(t, "it serves", func() bool {
		res, err := http.Get("http://" + address)
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	if err := end(syscall.SIGTERM); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	if !bytes.Contains(out.Bytes(), []byte("no space left on device")) {
		t.Errorf("it says nothing of the disk:\n%s", &out)
	}
}
