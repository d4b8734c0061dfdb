// Package afloat_test holds the rule of who may import whom, and that CI leaves no
// test out unseen.
package afloat_test

import (
	"encoding/json"
	"io"
	"maps"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/afloat-dev/afloat"

// floorsMax is how many packages of the module may stand upon one another. The
// library is the ground floor: policy with its adapters, which a program uses
// without the rest.
const floorsMax = 5

// pack is a package as `go list` describes it.
type pack struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string // with those of its dependencies
}

// in reports whether the package is of a folder of the module, or below it.
func (p pack) in(folder string) bool { return within(p.ImportPath, folder) }

// library reports whether the package is one that programs import.
func (p pack) library() bool { return strings.HasPrefix(p.ImportPath, module+"/policy") }

func within(importPath, folder string) bool {
	whole := module + "/" + folder
	return importPath == whole || strings.HasPrefix(importPath, whole+"/")
}

func ours(importPath string) bool {
	return importPath == module || strings.HasPrefix(importPath, module+"/")
}

// packages lists the module's packages and all that they depend on.
func packages(t *testing.T) map[string]pack {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports,Deps", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string]pack{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pack
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
	if _, ok := all[module+"/policy"]; !ok {
		t.Fatalf("go list does not know %s/policy", module)
	}
	return all
}

func TestPolicyImportsTheStandardLibraryAlone(t *testing.T) {
	all := packages(t)
	for _, dep := range all[module+"/policy"].Deps {
		if !all[dep].Standard {
			t.Errorf("policy depends on %s", dep)
		}
	}
}

// TestAdaptersKnowPolicyAlone: a program that wants the policies around HTTP or
// gRPC wants nothing else of ours.
func TestAdaptersKnowPolicyAlone(t *testing.T) {
	all := packages(t)
	for _, adapter := range []string{"policyhttp", "policygrpc"} {
		for _, dep := range all[module+"/"+adapter].Deps {
			if ours(dep) && dep != module+"/policy" {
				t.Errorf("%s depends on %s", adapter, dep)
			}
		}
		if len(all[module+"/"+adapter].Deps) == 0 {
			t.Errorf("go list does not know %s", adapter)
		}
	}
}

// TestDataPlaneKnowsNoController: the gateway serves when everything else is
// gone, so nothing of it may need what decides.
func TestDataPlaneKnowsNoController(t *testing.T) {
	for _, p := range packages(t) {
		for _, folder := range []string{"internal/gateway", "internal/signal", "internal/supervise", "internal/state"} {
			if !p.in(folder) {
				continue
			}
			for _, dep := range p.Deps {
				if within(dep, "internal/control") {
					t.Errorf("%s depends on %s", p.ImportPath, dep)
				}
			}
		}
	}
}

// TestOnlyTheCommandImportsConfig: config knows every package's Config, so a
// package that knew config would know them all.
func TestOnlyTheCommandImportsConfig(t *testing.T) {
	for _, p := range packages(t) {
		if p.in("cmd") || p.in("internal/config") {
			continue
		}
		for _, dep := range p.Imports {
			if dep == module+"/internal/config" {
				t.Errorf("%s imports %s", p.ImportPath, dep)
			}
		}
	}
}

func TestHouseHasFewFloors(t *testing.T) {
	all := packages(t)
	known := map[string]int{}
	var floors func(string) int
	floors = func(name string) int {
		if n, ok := known[name]; ok {
			return n
		}
		n := 0
		for _, dep := range all[name].Imports {
			if ours(dep) && !all[name].library() {
				n = max(n, floors(dep))
			}
		}
		known[name] = n + 1
		return n + 1
	}
	for name := range all {
		if ours(name) && floors(name) > floorsMax {
			t.Errorf("%s stands on %d floors, want at most %d:%s", name, floors(name)-1, floorsMax-1, tower(all, known, name))
		}
	}
}

// tower is the highest stack of packages below one.
func tower(all map[string]pack, floors map[string]int, name string) string {
	text := ""
	for name != "" {
		text += "\n\t" + name
		below := ""
		for _, dep := range all[name].Imports {
			if ours(dep) && floors[dep] == floors[name]-1 {
				below = dep
			}
		}
		name = below
	}
	return text
}

func TestPackagesAreNamedForWhatTheyAre(t *testing.T) {
	vague := []string{"common", "util", "utils", "helper", "helpers", "types", "misc", "shared", "base", "lib"}
	for _, name := range slices.Sorted(maps.Keys(packages(t))) {
		if ours(name) && slices.Contains(vague, path.Base(name)) {
			t.Errorf("%s: call it after what it is", name)
		}
	}
}
