package supervise

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Check looks for problems that only the machine can show: a directory that does not exist, a command that is not there
// or not executable. Each is a [*FieldError]. The Config must be valid. It is a check beforehand: what it finds may be
// mended, and what it passes may break, before the command runs.
func (c Config) Check() []error {
	p := &problems{}
	if err := checkDir(c.Dir); err != nil {
		p.add("dir", "%v", err)
		return p.found
	}
	account, err := findAccount(c.User, c.Group)
	if err != nil {
		p.add("user", "%v", err)
	}
	env, err := environmentOf(c, account, "", nil)
	if err != nil {
		p.add("envFiles", "%v", err)
		return p.found
	}
	if c.Log != nil {
		if err := checkDir(filepath.Dir(c.Log.file(c.Dir).Path)); err != nil {
			p.add("log.path", "%v", err)
		}
	}
	look := func(field string, exec *ExecConfig) {
		if exec == nil || len(exec.Command) == 0 {
			return
		}
		// A name with a reference that only a replica can resolve is left to the replica.
		name := env.expand(exec.Command[:1])[0]
		if _, err := lookPath(name, c.Dir, env["PATH"]); err != nil && !strings.Contains(name, "$(") {
			p.add(field, "%v", err)
		}
	}
	look("command[0]", &ExecConfig{Command: c.Command})
	if c.PreStop != nil {
		look("preStop.command[0]", &ExecConfig{Command: c.PreStop.Command})
	}
	for field, probe := range map[string]*ProbeConfig{"startup": c.Startup, "readiness": c.Readiness, "liveness": c.Liveness} {
		if probe != nil {
			look(field+".exec.command[0]", probe.Exec)
		}
	}
	return p.found
}

func checkDir(dir string) error {
	if dir == "" {
		return nil
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("directory does not exist: %s", dir)
	case err != nil:
		return fmt.Errorf("directory cannot be used: %w", err)
	case !info.IsDir():
		return fmt.Errorf("not a directory: %s", dir)
	case unix.Access(dir, unix.X_OK) != nil:
		return fmt.Errorf("directory may not be entered: %s", dir)
	}
	return nil
}

// lookPath finds the program that name means for a process in dir with the given PATH. Unlike a shell it does not look
// in relative parts of PATH.
func lookPath(name, dir, path string) (string, error) {
	if strings.Contains(name, "/") {
		file := name
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		file, err := filepath.Abs(file)
		if err != nil {
			return "", err
		}
		return file, executable(file, name)
	}
	err := fmt.Errorf("command not found: %s (looked in PATH)", name)
	for _, part := range filepath.SplitList(path) {
		if !filepath.IsAbs(part) {
			continue
		}
		file := filepath.Join(part, name)
		switch found := executable(file, file); {
		case found == nil:
			return file, nil
		case errors.Is(found, errNotExecutable):
			err = found
		}
	}
	return "", err
}

var errNotExecutable = errors.New("not executable")

func executable(file, shown string) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("command not found: %s", shown)
	case err != nil:
		return fmt.Errorf("command cannot be used: %w", err)
	case info.IsDir():
		return fmt.Errorf("%w: %s is a directory", errNotExecutable, shown)
	case info.Mode()&0o111 == 0 || unix.Access(file, unix.X_OK) != nil:
		return fmt.Errorf("%w: %s", errNotExecutable, shown)
	}
	return nil
}

// startError says why a program that lookPath found does not start.
func startError(name string, err error) error {
	switch {
	case errors.Is(err, unix.ENOEXEC):
		return fmt.Errorf("not a program: %s (a script needs a #! line)", name)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot run %s: its interpreter does not exist", name)
	case errors.Is(err, unix.E2BIG):
		return fmt.Errorf("cannot run %s: arguments and environment are too long", name)
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("cannot run %s: %w", name, err)
}
