package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// replica is a service whose only process is Afloat's own child. It ends at once
// while it is broken.
type replica struct{ dir string }

func newReplica(dir, afloat string) (victim, error) {
	r := &replica{dir}
	script := fmt.Sprintf("[ -e '%s' ] && exit 1\necho $$ > '%s'\nexec '%s' sample\n", r.broken(), r.pid(), afloat)
	return r, os.WriteFile(r.script(), []byte(script), 0o600)
}

func (r *replica) broken() string { return filepath.Join(r.dir, "broken") }
func (r *replica) pid() string    { return filepath.Join(r.dir, "pid") }
func (r *replica) script() string { return filepath.Join(r.dir, "run.sh") }

// yaml has it started again twice a second, so that it does not depend on the
// supervisor's patience when it is back.
func (r *replica) yaml() string {
	return fmt.Sprintf("{process: {command: [sh, '%s'], restart: {delayMax: 500ms}}}", r.script())
}

func (r *replica) set(m mode) error {
	if m == healthy {
		return os.Remove(r.broken())
	}
	if err := os.WriteFile(r.broken(), nil, 0o600); err != nil {
		return err
	}
	text, err := os.ReadFile(r.pid())
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

// close does nothing: the process ends with Afloat.
func (r *replica) close() {}
