package rig

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
)

// Find looks a program up, also where Debian keeps what is for administrators.
func Find(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	if path, err := exec.LookPath("/usr/sbin/" + name); err == nil {
		return path, nil
	}
	return "", fmt.Errorf("%s is not installed: apt-get install %[1]s", name)
}

// BuildAfloat builds this module's afloat into a folder and returns its path.
func BuildAfloat(ctx context.Context, dir string) (string, error) {
	return Build(ctx, dir, "afloat", "github.com/afloat-dev/afloat/cmd/afloat")
}

// Build builds a command into a folder, under a name, and returns its path.
func Build(ctx context.Context, dir, name, importPath string) (string, error) {
	path := filepath.Join(dir, name)
	build := exec.CommandContext(ctx, "go", "build", "-o", path, importPath)
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return path, nil
}

// Version is the first line of what a program says when it is asked with these
// arguments, or nothing.
func Version(ctx context.Context, path string, args ...string) string {
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

// WriteTemplate fills a template of a folder in and writes it to a file.
func WriteTemplate(file string, from fs.FS, name string, data any) error {
	t, err := template.ParseFS(from, name)
	if err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := t.Execute(f, data); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
