package rig

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// WriteReadme puts a table into a file of this module, between the marks of
// its name.
func WriteReadme(name, mark, table string) error {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	file := filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), name)
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text, err := between(string(old), mark, table)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

// between replaces what stands between the marks.
func between(text, mark, table string) (string, error) {
	begin, end := "<!-- "+mark+": begin -->\n", "<!-- "+mark+": end -->\n"
	before, rest, begins := strings.Cut(text, begin)
	_, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		return "", errors.New("the marks of the table are missing")
	}
	return before + begin + table + end + after, nil
}
