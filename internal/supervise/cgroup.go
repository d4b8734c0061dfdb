package supervise

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Names of groups, each followed by an instance.
const (
	groupPrefix = "afloat-"      // has those of the replicas
	selfPrefix  = "afloat-self-" // has Afloat itself, where its group may not have both processes and groups
)

// groups are the control groups (cgroups v2) of the replicas: one for each process and all that it starts.
type groups struct {
	dir         string // that has all of them; empty where there can be none
	why         string // there can be none
	controllers []string
}

// openGroups makes the group of an instance, with the controllers that can be had.
func openGroups(instance string) *groups {
	own, err := ownGroup()
	if err != nil {
		return &groups{why: err.Error()}
	}
	dir := filepath.Join(own, groupPrefix+instance)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return &groups{why: fmt.Sprintf("no group can be made in %s: %v", own, plainPath(err))}
	}
	g := &groups{dir: dir}
	delegate(own, instance)
	enable(dir)
	g.controllers = words(filepath.Join(dir, "cgroup.subtree_control"))
	return g
}

// ownGroup is the folder of the group that this process is in, or was before it moved.
func ownGroup() (string, error) {
	mount, root, err := groupMount()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			path, err := filepath.Rel(root, path)
			if err != nil || strings.HasPrefix(path, "..") {
				return "", errors.New("the group of this process is not below what is mounted")
			}
			if strings.HasPrefix(filepath.Base(path), selfPrefix) {
				path = filepath.Dir(path) // this Afloat moved there, or the one before it
			}
			return filepath.Join(mount, path), nil
		}
	}
	return "", errors.New("this machine has no cgroups v2")
}

// groupMount is where cgroups v2 are mounted, and which of them is its root there; see proc_pid_mountinfo(5).
func groupMount() (mount, root string, err error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		if strings.HasPrefix(after, "cgroup2 ") && len(fields) >= 5 {
			return fields[4], fields[3], nil
		}
	}
	return "", "", errors.New("cgroups v2 are not mounted")
}

// wantedControllers are those that limits need.
var wantedControllers = []string{"cpu", "memory", "pids"}

// delegate lets the groups below own have controllers. A group other than the root may do so only while no process is
// in it: where there is none but this one, it moves into a group of its own, as systemd's delegation means it.
func delegate(own, instance string) {
	if enable(own) == nil {
		return
	}
	here := words(filepath.Join(own, "cgroup.procs"))
	if len(here) != 1 || here[0] != strconv.Itoa(os.Getpid()) {
		return
	}
	self := filepath.Join(own, selfPrefix+instance)
	if err := os.Mkdir(self, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return
	}
	if os.WriteFile(filepath.Join(self, "cgroup.procs"), []byte(here[0]), 0) == nil {
		_ = enable(own) // what is missing is found by those who need it
	}
}

// enable lets the groups below dir have what dir has of the controllers.
func enable(dir string) error {
	has, on := words(filepath.Join(dir, "cgroup.controllers")), words(filepath.Join(dir, "cgroup.subtree_control"))
	var failed error
	for _, name := range wantedControllers {
		if slices.Contains(has, name) && !slices.Contains(on, name) {
			failed = errors.Join(failed, os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+name), 0))
		}
	}
	return failed
}

// words are those of a file; none where it cannot be read.
func words(file string) []string {
	text, _ := os.ReadFile(file)
	return strings.Fields(string(text))
}

// lacks says why a controller cannot be had; empty where it can.
func (g *groups) lacks(controller string) string {
	switch {
	case g == nil || g.dir == "" && g.why == "":
		return "there are no control groups"
	case g.dir == "":
		return g.why
	case !slices.Contains(g.controllers, controller):
		return "the controller " + controller + " of cgroups v2 is not to be had in " + filepath.Dir(g.dir)
	}
	return ""
}

// removeGroups removes the group of an instance that has ended, if there is one.
func removeGroups(instance string) {
	if own, err := ownGroup(); err == nil {
		_ = os.Remove(filepath.Join(own, groupPrefix+instance)) // it has no processes any more
	}
}

// group is the control group of one process and all that it starts; nil is none.
type group struct{ dir string }

// make makes the group of a life. It is nil where there are no groups.
func (g *groups) make(name string) (*group, error) {
	if g == nil || g.dir == "" {
		return nil, nil
	}
	dir := filepath.Join(g.dir, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a control group: %w", err)
	}
	return &group{dir}, nil
}

// open is the folder as clone(2) takes it.
func (g *group) open() (*os.File, error) {
	return os.OpenFile(g.dir, unix.O_PATH|unix.O_DIRECTORY, 0)
}

func (g *group) set(file, value string) error {
	if err := os.WriteFile(filepath.Join(g.dir, file), []byte(value), 0); err != nil {
		return fmt.Errorf("%s: %w", file, plainPath(err))
	}
	return nil
}

// pids are the processes in it.
func (g *group) pids() []int {
	if g == nil {
		return nil
	}
	var out []int
	for _, word := range words(filepath.Join(g.dir, "cgroup.procs")) {
		if pid, err := strconv.Atoi(word); err == nil && pid > 1 {
			out = append(out, pid)
		}
	}
	return out
}

// kill sends SIGKILL to all in it, at once and without a race against those that fork. Linux has it from 5.14 on.
func (g *group) kill() {
	if g != nil {
		_ = g.set("cgroup.kill", "1") // what is left is found in other ways
	}
}

const (
	removePause = time.Millisecond
	removeBound = time.Second
)

// remove waits until nothing is in it, and removes it.
func (g *group) remove() {
	if g == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), removeBound)
	defer cancel()
	for {
		err := os.Remove(g.dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) || !pause(ctx, removePause) {
			return
		}
	}
}

// outOfMemory reports whether the kernel killed something in it for want of memory.
func (g *group) outOfMemory() bool {
	if g == nil {
		return false
	}
	fields := words(filepath.Join(g.dir, "memory.events"))
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == "oom_kill" && fields[i+1] != "0" {
			return true
		}
	}
	return false
}

// killGroups kills what is in the groups of an instance, wherever they are told to be, and removes them.
func killGroups(dirs []string) {
	for _, dir := range dirs {
		g := &group{dir}
		g.kill()
		g.remove()
		_ = os.Remove(filepath.Dir(dir)) // with the last of them
	}
}

// plainPath is an error without the path that stands beside it.
func plainPath(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
