package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/freeport"
	"github.com/afloat-dev/afloat/internal/smalldisk"
)

// TestServesOnAFullDisk: on one that was full before the first start, and so
// has none of the files that Afloat keeps.
func TestServesOnAFullDisk(t *testing.T) {
	disk := smalldisk.New(t, 1<<20)
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
	if err := os.WriteFile(filepath.Join(disk.Dir, "afloat.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	disk.Fill(t)
	var out bytes.Buffer
	c := exec.Command(filepath.Join(programs, "afloat"), "run", "-f", "afloat.yaml")
	c.Dir, c.Stdout, c.Stderr = disk.Dir, &out, &out
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
