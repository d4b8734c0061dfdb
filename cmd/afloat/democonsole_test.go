package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/console"
)

// TestDemoIsInTheConsoleWhileItRuns: the page is there, and the faults are seen
// as they happen.
func TestDemoIsInTheConsoleWhileItRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the demo's first fault")
	}
	cmd := exec.Command(filepath.Join(programs, "afloat"), "demo", "--no-live")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	at := regexp.MustCompile(`http://127\.0\.0\.1:\d+/`)
	url, lines := "", bufio.NewScanner(out)
	for url == "" && lines.Scan() {
		if strings.Contains(lines.Text(), "console") {
			url = at.FindString(lines.Text())
		}
	}
	if url == "" {
		t.Fatal("the demo names no console")
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	if page := fetch(t, url); !strings.Contains(page, "<html") {
		t.Errorf("the page is %q", page)
	}
	soon(t, "the first fault is seen", func() bool {
		var s console.Status
		if err := json.Unmarshal([]byte(fetch(t, url+"api/v1/status")), &s); err != nil {
			t.Fatal(err)
		}
		for _, e := range s.Events {
			if strings.Contains(e.What, "exited") {
				return true
			}
		}
		return false
	})
	_ = cmd.Process.Signal(syscall.SIGINT)
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("it ended with %v", err)
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, res.Status, err)
	}
	return string(text)
}
