package afloat_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ci lays out .ci/test with what it calls: tools that are there, and a go whose
// tests all pass. Programs that are failing exit 1, missing ones are not there.
func ci(t *testing.T, failing, missing string) (dir string, env []string) {
	t.Helper()
	dir = t.TempDir()
	bin := filepath.Join(dir, "bin")
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{".ci/need", ".ci/test"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		write(name, string(text))
	}
	write("internal/console/web/package-lock.json", "{}")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields("bash dirname grep id mktemp rm cat chmod mkdir touch") {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skip("needs", name)
		}
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range strings.Fields("haproxy nginx nft ip pgrep setpriv wrk curl jq openssl pg_ctlcluster pebble promtool amtool chromium node npm") {
		switch {
		case name == missing:
		case name == failing:
			write("bin/"+name, "#!/bin/sh\nexit 1\n")
		default:
			write("bin/"+name, "#!/bin/sh\nmkdir -p node_modules\n")
		}
	}
	write("bin/git", "#!/bin/sh\necho go.mod\n")
	write("bin/go", `#!/bin/sh
case "$1" in
build) printf '#!/bin/sh\ncat\n' >"$3" && chmod +x "$3" ;;
test) echo tested ;;
esac
`)
	return dir, []string{"PATH=" + bin, "TMPDIR=" + dir}
}

// TestMissingToolsFailInCI holds that no test is left out unseen: elsewhere what
// is missing is said, and the rest is tested all the same.
func TestMissingToolsFailInCI(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		failing, missing string
		says             string // "" is that all is there
	}{
		{says: ""},
		{missing: "promtool", says: "missing: prometheus"},
		{missing: "amtool", says: "missing: prometheus-alertmanager"},
		{missing: "chromium", says: "missing: chromium"},
		{missing: "node", says: "missing: nodejs"},
		{missing: "npm", says: "missing: npm"},
		{failing: "npm", says: "npm ci failed"},
	} {
		for _, inCI := range []bool{true, false} {
			dir, env := ci(t, c.failing, c.missing)
			run := exec.Command(filepath.Join(dir, "bin", "bash"), filepath.Join(dir, ".ci", "test"))
			run.Env = slices.Clone(env)
			if inCI {
				run.Env = append(run.Env, "CI=true")
			}
			out, err := run.CombinedOutput()
			if want := inCI && c.says != ""; (err != nil) != want {
				t.Errorf("%+v, CI=%v: got %v, want a failure: %v\n%s", c, inCI, err, want, out)
			}
			for _, want := range []string{"tested", c.says} {
				if !strings.Contains(string(out), want) {
					t.Errorf("%+v, CI=%v: got %s, want %q", c, inCI, out, want)
				}
			}
		}
	}
}
