package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// Stdin is the name of the source that is read from standard input.
const Stdin = "-"

// Limits of what one Load reads.
const (
	filesMax  = 1000
	stdinFile = "<stdin>"
)

// Source is one file's text. Problems name it by Name.
type Source struct {
	Name string
	Data []byte
}

// Options say what the command line adds to the files.
type Options struct {
	// Upstreams are endpoints of services, each "NAME=HOST:PORT,HOST:PORT". They
	// replace those that the files give.
	Upstreams []string
	// Listen replaces the addresses of all listeners by one: host:port, or a
	// port on loopback. Empty: the files decide.
	Listen string
	// Outbound and Inbound are addresses of listeners for the connections of a
	// sidecar. They are there beside those of the files.
	Outbound, Inbound []string
	// Env finds environment variables; nil: os.LookupEnv.
	Env func(name string) (value string, set bool)
	// Resolve tells whether a host name has an address now. Load warns of
	// endpoints for which it returns an error; nil: they are not looked up.
	Resolve func(host string) error
	// Input is what the source "-" reads. Nil: os.Stdin.
	Input io.Reader
}

// Load reads files, folders (their *.yaml and *.yml, without subfolders) and
// "-" for standard input, and assembles them. Beyond [Assemble] it looks at the
// machine: whether commands and their folders exist, and by Options.Resolve
// whether host names do. With an error among the problems there is no Assembly.
func Load(names []string, o Options) (*Assembly, yamltree.Problems) {
	r := &reader{input: o.Input, seen: map[string]bool{}}
	if r.input == nil {
		r.input = os.Stdin
	}
	for _, name := range names {
		r.read(name)
	}
	if len(r.sources) == 0 && len(r.problems) > 0 {
		return nil, r.problems
	}
	a := assemble(r.sources, o)
	a.problems = append(r.problems, a.problems...)
	a.checkMachine(o.Resolve)
	a.out.Files = r.files
	return a.result()
}

// reader collects sources.
type reader struct {
	input    io.Reader
	sources  []Source
	files    []string
	seen     map[string]bool
	problems yamltree.Problems
}

func (r *reader) fail(name, message, fix string) {
	r.problems = append(r.problems, yamltree.Problem{File: name, Line: 1, Column: 1, Message: message, Fix: fix})
}

func (r *reader) read(name string) {
	clean := name
	if name != Stdin {
		clean = filepath.Clean(name)
	}
	if r.seen[clean] {
		r.fail(name, "the file is given twice", "name it once")
		return
	}
	r.seen[clean] = true
	if name == Stdin {
		data, err := io.ReadAll(io.LimitReader(r.input, yamltree.BytesMax+1))
		if err != nil {
			r.fail(stdinFile, "cannot be read: "+err.Error(), "")
			return
		}
		r.sources = append(r.sources, Source{stdinFile, data})
		return
	}
	r.files = append(r.files, name)
	info, err := os.Stat(name)
	switch {
	case err != nil:
		r.fail(name, "cannot be read: "+reason(err), "")
	case info.IsDir():
		r.readFolder(name)
	case info.Size() > yamltree.BytesMax:
		r.fail(name, fmt.Sprintf("the file has more than %d MiB", yamltree.BytesMax>>20), "")
	default:
		r.readFile(name)
	}
}

func (r *reader) readFile(name string) {
	file, err := os.Open(name)
	if err != nil {
		r.fail(name, "cannot be read: "+reason(err), "")
		return
	}
	defer func() { _ = file.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(file, yamltree.BytesMax+1))
	if err != nil {
		r.fail(name, "cannot be read: "+reason(err), "")
		return
	}
	r.sources = append(r.sources, Source{name, data})
}

func (r *reader) readFolder(name string) {
	entries, err := os.ReadDir(name)
	if err != nil {
		r.fail(name, "cannot be read: "+reason(err), "")
		return
	}
	found := 0
	for _, e := range entries {
		if e.IsDir() || !slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(e.Name())) {
			continue
		}
		if found++; found > filesMax {
			r.fail(name, fmt.Sprintf("the folder has more than %d files", filesMax), "")
			return
		}
		r.read(filepath.Join(name, e.Name()))
	}
	if found == 0 {
		r.fail(name, "the folder has no *.yaml file", "name a file")
	}
}

// reason is an error of the file system without the path, which stands before.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return err.Error()
}
