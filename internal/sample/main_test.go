package sample

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asProgram in the environment makes the test binary be the sample service.
const asProgram = "SAMPLE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(Main(os.Args[1:], os.Stderr))
	}
	os.Exit(m.Run())
}

func TestMainServesUntilSIGTERM(t *testing.T) {
	program := exec.Command(os.Args[0], "-service-time", "1ms")
	program.Env = append(os.Environ(), asProgram+"=1", "PORT=0")
	stderr, err := program.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(30*time.Second, func() { program.Process.Kill() })
	defer stuck.Stop()
	line, err := bufio.NewReader(stderr).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, url, found := strings.Cut(strings.TrimSpace(line), "listens on ")
	if !found {
		t.Fatalf("first line is %q", line)
	}
	for _, path := range []string{"/", "/health", "/fault"} {
		if status := get(url + path); status != 200 {
			t.Errorf("%s answers %d", path, status)
		}
	}
	if err := program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := program.Wait(); err != nil {
		t.Errorf("the end: %v", err)
	}
	if status := get(url + "/"); status != 0 {
		t.Errorf("the port still answers %d", status)
	}
}

func TestMainRefusesBadArguments(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tests := []struct {
		args string
		code int
		want string
	}{
		{"-workers 0", 2, "-workers 0: want 1 or more"},
		{"-service-time -1s", 2, "-service-time -1s is negative"},
		{"-drain -1s", 2, "-drain -1s is negative"},
		{"-typo", 2, "-typo"},
		{"extra", 2, `argument "extra" is unknown`},
		{"-listen " + taken.Addr().String(), 1, "address already in use"},
		{"-help", 0, "-service-time"},
	}
	for _, test := range tests {
		var stderr bytes.Buffer
		code := Main(strings.Fields(test.args), &stderr)
		if code != test.code || !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%s: code %d, want %d; said %q, want %q in it", test.args, code, test.code, stderr.String(), test.want)
		}
	}
}
