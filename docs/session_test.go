package docs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/freeport"
)

// sessionMax bounds how long the blocks of a page may take together.
const sessionMax = 3 * time.Minute

// TestShellBlocksWork runs the sh blocks of each page one after another in one
// shell, as a reader would, in a copy of the repository and on free ports.
func TestShellBlocksWork(t *testing.T) {
	for _, p := range pages(t) {
		s := session{page: p, ports: map[string]string{}}
		if !s.hasWork() {
			continue
		}
		t.Run(strings.ReplaceAll(p.name, "/", "_"), func(t *testing.T) {
			t.Parallel()
			for _, program := range []string{"bash", "curl", "jq", "openssl"} {
				if _, err := exec.LookPath(program); err != nil {
					t.Skipf("%s is not installed; make test installs it", program)
				}
			}
			for _, b := range p.blocks {
				b.skipWithoutNeeds(t)
			}
			s.run(t)
		})
	}
}

// session is a page's blocks in one shell.
type session struct {
	page  page
	ports map[string]string // documented to free
}

func (b block) runs() bool { return b.language == "sh" && !b.has("not run") }

// skipWithoutNeeds skips a page where the machine lacks what a block needs.
func (b block) skipWithoutNeeds(t *testing.T) {
	for _, need := range strings.Fields(b.marks["needs"]) {
		if _, err := exec.LookPath(need); need != "root" && err != nil {
			t.Skipf("%s:%d: %s is not installed", b.page, b.line, need)
		} else if need == "root" && exec.Command("unshare", "--net", "true").Run() != nil {
			t.Skipf("%s:%d: network namespaces need root", b.page, b.line)
		}
	}
}

func (s *session) hasWork() bool {
	for _, b := range s.page.blocks {
		if b.runs() {
			return true
		}
	}
	return false
}

const separator = "@@ block "

func (s *session) run(t *testing.T) {
	work := copyOfRepository(t)
	if out, err := goCommand(work, "build", "-o", "bin/afloat", "./cmd/afloat").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.movePorts(t, work)
	script := "set -eu -o pipefail\n"
	for i, b := range s.page.blocks {
		if name := b.marks["file"]; name != "" {
			writeFile(t, filepath.Join(work, name), s.moved(t, withAdmin(name, b.text)))
		}
		if b.runs() {
			script += fmt.Sprintf("echo '%s%d'\n%s\n", separator, i, s.moved(t, b.text))
		}
	}
	out, err := shell(work, script)
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	s.compare(t, out)
}

// compare holds what was printed against what the page shows.
func (s *session) compare(t *testing.T, out string) {
	for i, b := range s.page.blocks {
		if i == 0 || !b.has("prints") || !s.page.blocks[i-1].runs() {
			continue
		}
		_, said, _ := strings.Cut(out, fmt.Sprintf("%s%d\n", separator, i-1))
		said, _, _ = strings.Cut(said, separator)
		if line := unmatched(s.moved(t, b.text), said); line != "" {
			t.Errorf("%s:%d: prints no %q:\n%s", b.page, b.line, line, said)
		}
	}
}

// shell runs a script, and ends everything that it started.
func shell(dir, script string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), sessionMax)
	defer cancel()
	out, err := os.Create(filepath.Join(dir, "output")) // a pipe would be waited for, and programs keep it open
	if err != nil {
		return "", err
	}
	defer out.Close()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-trimpath -buildvcs=false", "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Run()
	if cmd.Process != nil {
		endGroup(cmd.Process.Pid)
	}
	text, readErr := os.ReadFile(out.Name())
	return string(text), errors.Join(err, readErr)
}

// endGroup tells the processes of a group to end, and after a while kills them.
func endGroup(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGTERM) // fails where none is left
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if syscall.Kill(-pid, 0) != nil {
			return
		}
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL)
}

// documented are the ports that pages and examples use.
var documented = regexp.MustCompile(`\b(80[0-9]{2}|84[0-9]{2}|90[0-9]{2}|99[0-9]{2})\b`)

// adminCommand asks the default admin address, which others may use meanwhile.
var adminCommand = regexp.MustCompile(`\bafloat (status|drain|isolate|weigh|upgrade|journal|alerts( (ack|silence|silences))?|incidents( (show|post-mortem))?|fault (inject|end|list)|rollout [a-z]+)\b`)

// moved replaces the documented ports by free ones.
func (s *session) moved(t *testing.T, text string) string {
	text = adminCommand.ReplaceAllString(text, "$0 --admin 127.0.0.1:9900")
	return documented.ReplaceAllStringFunc(text, func(port string) string {
		if s.ports[port] == "" {
			s.ports[port] = freeport.Port(t)
		}
		return s.ports[port]
	})
}

// movePorts does so in the examples.
func (s *session) movePorts(t *testing.T, work string) {
	files, err := filepath.Glob(filepath.Join(work, "examples", "*", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, name, s.moved(t, withAdmin(name, string(text))))
	}
}

// withAdmin writes out the default admin address of an afloat.yaml.
func withAdmin(name, text string) string {
	if filepath.Ext(name) != ".yaml" || strings.Contains(text, "\nkind:") || strings.Contains(text, "\nadmin:") {
		return text
	}
	return text + "admin: {address: 127.0.0.1:9900}\n"
}
