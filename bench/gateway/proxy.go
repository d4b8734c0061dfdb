package main

import (
	"context"
	"embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
	"time"
)

// What the proxies are asked to do. The configurations say how each of them
// does it.
const (
	variantPlain    = "plain"
	variantPolicies = "policies"
)

var variants = []string{variantPlain, variantPolicies}

// The proxies' names.
const (
	afloat  = "afloat"
	haproxy = "haproxy"
	nginx   = "nginx"
)

// proxy is a program that is measured.
type proxy struct {
	name    string
	path    string
	version string
	config  string // name of the file of its configuration
	args    func(file string) []string
	env     []string
}

// findProxies looks the peers up and builds Afloat, unless it is given.
func findProxies(ctx context.Context, binary, dir string) ([]proxy, error) {
	all := []proxy{
		{name: afloat, path: binary, config: "afloat.yaml", env: []string{"GOMAXPROCS=1"},
			args: func(file string) []string { return []string{"run", "-f", file} }},
		{name: haproxy, config: "haproxy.cfg",
			args: func(file string) []string { return []string{"-db", "-q", "-f", file} }},
		{name: nginx, config: "nginx.conf",
			args: func(file string) []string { return []string{"-e", "stderr", "-p", filepath.Dir(file), "-c", file} }},
	}
	for i := range all {
		p := &all[i]
		if p.name == afloat {
			continue
		}
		path, err := find(p.name)
		if err != nil {
			return nil, err
		}
		p.path = path
		p.version = firstLine(exec.CommandContext(ctx, path, "-v"))
	}
	if binary == "" {
		progress("building afloat")
		all[0].path = filepath.Join(dir, "afloat")
		build := exec.CommandContext(ctx, "go", "build", "-o", all[0].path, "github.com/afloat-dev/afloat/cmd/afloat")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build afloat: %w\n%s", err, out)
		}
	}
	all[0].version = firstLine(exec.CommandContext(ctx, all[0].path, "version"))
	return all, nil
}

// firstLine is what a program says of its version, or nothing.
func firstLine(c *exec.Cmd) string {
	out, err := c.CombinedOutput()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

// site is what a configuration's template is filled in with.
type site struct {
	Dir        string
	Port       string
	OriginList []string
	Body       string
}

// Origins are the addresses of the service, in a list.
func (s site) Origins() string { return strings.Join(s.OriginList, ", ") }

//go:embed testdata
var testdata embed.FS

// writeTemplate fills a file of testdata in.
func writeTemplate(file, name string, s site) error {
	t, err := template.ParseFS(testdata, "testdata/"+name)
	if err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := t.Execute(f, s); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// server is a program that takes requests.
type server struct {
	*process
	address string
}

// start runs a proxy on its core until it serves.
func (b *bench) start(ctx context.Context, p proxy, variant string) (*server, error) {
	free, err := freeAddresses(1)
	if err != nil {
		return nil, err
	}
	s := &server{address: free[0]}
	dir, err := os.MkdirTemp(b.dir, p.name)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(s.address)
	stem, ending, _ := strings.Cut(p.config, ".")
	file := filepath.Join(dir, p.config)
	err = writeTemplate(file, stem+"-"+variant+"."+ending+".tmpl", site{Dir: dir, Port: port, OriginList: b.origin.addresses})
	if err != nil {
		return nil, err
	}
	if s.process, err = startProcess(proxyCore, p.env, p.path, p.args(file)...); err != nil {
		return nil, err
	}
	if err := s.awaitBody(ctx, s.address, 10*time.Second); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}
