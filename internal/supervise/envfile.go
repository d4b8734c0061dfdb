package supervise

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const envFileMax = 1 << 20 // bytes of a file of variables

// readEnvFiles reads lines NAME=VALUE of files, which are relative to dir. A later line of the same name wins.
func readEnvFiles(files []string, dir string) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range files {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if err := readEnvFile(path, out); err != nil {
			return nil, fmt.Errorf("read variables: %w", err)
		}
	}
	return out, nil
}

func readEnvFile(path string, to map[string]string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, envFileMax+1))
	lines.Buffer(nil, envFileMax)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(strings.TrimPrefix(name, "export "))
		// The value may be a secret: a message never shows it.
		switch {
		case !ok:
			return fmt.Errorf("%s:%d: want NAME=VALUE", path, n)
		case !variableName.MatchString(name) || setByAfloat(name):
			return fmt.Errorf("%s:%d: %q is not the name of a variable that may be set", path, n, name)
		case strings.ContainsRune(value, 0):
			return fmt.Errorf("%s:%d: the value has a NUL byte", path, n)
		case len(to) >= envMax:
			return fmt.Errorf("%s:%d: there are more than %d variables", path, n, envMax)
		}
		to[name] = unquoted(strings.TrimSpace(value))
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// unquoted is the value without the quotes around it.
func unquoted(value string) string {
	if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		return value[1 : n-1]
	}
	return value
}
