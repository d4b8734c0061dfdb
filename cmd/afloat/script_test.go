package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// programs is the folder of the binary under test, built once as users build it.
var programs string

// scriptsAtOnce is how many scripts run at a time. They mostly wait, so there
// may be more of them than processors.
const scriptsAtOnce = "8"

// linked keeps the whole program in the test binary, so that go test takes no
// earlier result for that of a changed program.
var linked = main

func TestMain(m *testing.M) {
	runtime.KeepAlive(linked)
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set(scriptsAtOnce) // a number is always taken
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "afloat-script-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	programs = dir
	args := []string{"build", "-buildvcs=false", "-o", filepath.Join(dir, "afloat")}
	if raceEnabled {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, ".")...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build afloat: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// TestScripts drives the real binary. Each script in testdata/script is a
// story; the commands that they use beyond testscript's own are in commands.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setUp,
		Cmds:                commands,
	})
}

// commands are what scripts can do beyond testscript's own commands.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	// Programs and their ends.
	"exits":  cmdExits,  // exits CODE PROGRAM ARG...: runs it, to its end
	"until":  cmdUntil,  // until REGEXP PROGRAM ARG...: runs it until its output matches
	"start":  cmdStart,  // start NAME [-in FILE] PROGRAM ARG...: runs it beside the script
	"says":   cmdSays,   // says NAME REGEXP: waits until its output matches
	"tell":   cmdTell,   // tell NAME SIGNAL
	"insist": cmdInsist, // insist NAME SIGNAL: again and again until it ends
	"end":    cmdEnd,    // end NAME CODE: waits for its end
	"alone":  cmdAlone,  // alone: waits until no process of the script is left

	// Values.
	"ports": cmdPorts, // ports NAME...: sets variables to free ports
	"hold":  cmdHold,  // hold NAME: sets a variable to a port that is in use
	"pick":  cmdPick,  // pick NAME REGEXP: sets a variable to the first group in stdout
	"share": cmdShare, // share REGEXP N P: the count in stdout is as chance has it
	"json":  cmdJSON,  // json: stdout is JSON

	// Requests.
	"get":        cmdGet,        // get [-host HOST] [-bearer TOKEN] URL: prints status, header and body
	"put":        cmdPut,        // put URL: a PUT that must succeed
	"histograms": cmdHistograms, // histograms [-bearer TOKEN] URL: the native ones
	"await":      cmdAwait,      // await [-host HOST] URL STATUS|refused: asks until that comes
	"load":       cmdLoad,       // load [-host HOST] [-n N] [-c C] [-slow TIME] URL: many requests
	"drive":      cmdDrive,      // drive NAME [-host HOST] [-n N] URL: requests beside the script
	"reap":       cmdReap,       // reap NAME: ends them and prints what came of them
	"upstream":   cmdUpstream,   // upstream NAME [-fail N] [-hang] [-delay TIME]: a server, its port in NAME
	"tries":      cmdTries,      // tries NAME N: waits until it was asked N times, and wants no more
}

// repositoryFiles are files of the repository that scripts use, by variable.
var repositoryFiles = map[string]string{
	"VIRTUALSERVICE": "internal/config/istio/testdata/article.yaml",
	"DEPLOYMENT":     "internal/config/kube/testdata/article.yaml",
	"QUICKSTART":     "examples/quickstart/afloat.yaml",
	"SCHEMA":         "docs/afloat.schema.json",
}

// setUp puts the binary on the path and marks all that the script starts.
func setUp(e *testscript.Env) error {
	s := newScript()
	e.Values[scriptKey{}] = s
	e.Setenv("PATH", programs+string(os.PathListSeparator)+e.Getenv("PATH"))
	e.Setenv(scriptMark, s.mark)
	e.Setenv("AFLOAT", filepath.Join(programs, "afloat"))
	for name, file := range repositoryFiles {
		path, err := filepath.Abs(filepath.FromSlash("../../" + file))
		if err != nil {
			return err
		}
		e.Setenv(name, path)
	}
	e.Defer(func() { s.close(e.T()) })
	return nil
}
