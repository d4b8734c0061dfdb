package main

import (
	"context"
	"embed"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/bench/rig"
	"github.com/afloat-dev/afloat/internal/freeport"
)

// What the proxies are asked to do. The configurations say how each of them
// does it.
const (
	variantPlain    = "plain"
	variantPolicies = "policies"
	variantLogged   = "logged"
)

var variants = []string{variantPlain, variantPolicies, variantLogged}

// The proxies' names.
const (
	afloat       = "afloat"
	haproxy      = "haproxy"
	nginx        = "nginx"
	caddy        = "caddy"
	reverseProxy = "reverseproxy"
)

// names are the proxies in the order of the tables.
var names = []string{afloat, haproxy, nginx, caddy, reverseProxy}

// proxy is a program that is measured.
type proxy struct {
	name    string
	path    string
	version string
	config  string // name of the file of its configuration
	args    func(file string, s site) []string
	env     []string
	// variants are what it is measured at: those that it has a configuration of.
	variants []string
}

// findProxies looks the peers up and builds what is of this module. A peer that
// not every machine has is left out, and that is told.
func findProxies(ctx context.Context, o options, dir string) ([]proxy, error) {
	oneCore := []string{"GOMAXPROCS=1"}
	all := []proxy{
		{name: afloat, path: o.afloat, config: "afloat.yaml", env: oneCore, variants: variants,
			args: func(file string, _ site) []string { return []string{"run", "-f", file} }},
		{name: haproxy, config: "haproxy.cfg", variants: variants,
			args: func(file string, _ site) []string { return []string{"-db", "-q", "-f", file} }},
		{name: nginx, config: "nginx.conf", variants: variants,
			args: func(file string, _ site) []string {
				return []string{"-e", "stderr", "-p", filepath.Dir(file), "-c", file}
			}},
		{name: caddy, config: "caddy.conf", env: oneCore, variants: []string{variantPlain, variantPolicies},
			args: func(file string, _ site) []string { return []string{"run", "--adapter", "caddyfile", "--config", file} }},
		{name: reverseProxy, config: "reverseproxy.conf", env: oneCore, variants: []string{variantPlain},
			args: func(file string, _ site) []string { return []string{file} }},
	}
	var found []proxy
	for _, p := range all {
		err := p.find(ctx, dir)
		if err != nil && p.name == caddy {
			progress("without %s: %v", proxyTitles[p.name], err)
			continue
		} else if err != nil {
			return nil, err
		}
		found = append(found, p)
	}
	return found, nil
}

// find makes sure that the program is there.
func (p *proxy) find(ctx context.Context, dir string) (err error) {
	ask := "version"
	switch {
	case p.path != "":
	case p.name == afloat:
		progress("building afloat")
		p.path, err = rig.BuildAfloat(ctx, dir)
	case p.name == reverseProxy:
		p.path, err = rig.Build(ctx, dir, p.name, "github.com/afloat-dev/afloat/bench/gateway/reverseproxy")
		p.version = runtime.Version()
		return err
	default:
		p.path, err = rig.Find(p.name)
	}
	if p.name == haproxy || p.name == nginx {
		ask = "-v"
	}
	if err == nil {
		p.version = rig.Version(ctx, p.path, ask)
	}
	return err
}

// site is what a configuration's template is filled in with.
type site struct {
	Dir        string
	Port       string
	OriginList []string
	Body       string
	Variant    string
	LogSocket  string // where a log may be sent to, as syslog takes it
}

// Logged is whether each request is to be written to a log.
func (s site) Logged() bool { return s.Variant == variantLogged }

// Origins are the addresses of the service, in a list.
func (s site) Origins() string { return strings.Join(s.OriginList, ", ") }

//go:embed testdata
var testdata embed.FS

// writeTemplate fills a file of testdata in.
func writeTemplate(file, name string, s site) error {
	return rig.WriteTemplate(file, testdata, "testdata/"+name, s)
}

// configs names the template of a configuration. With a log, a proxy has the
// same policies.
func configs(config, variant string) string {
	if variant == variantLogged {
		variant = variantPolicies
	}
	stem, ending, _ := strings.Cut(config, ".")
	return stem + "-" + variant + "." + ending + ".tmpl"
}

// server is a program that takes requests.
type server struct {
	*rig.Process
	address string
}

// startProcess runs a program on one core.
func startProcess(core int, env []string, path string, args ...string) (p *rig.Process, err error) {
	err = onCore(core, func() error {
		p, err = rig.Start(env, path, args...)
		return err
	})
	return p, err
}

// start runs a proxy on its core until it serves.
func (b *bench) start(ctx context.Context, p proxy, variant string) (*server, error) {
	free, err := freeport.Addresses(1)
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
	file := filepath.Join(dir, p.config)
	filled := site{Dir: dir, Port: port, OriginList: b.origin.addresses, Variant: variant, LogSocket: b.logs.path}
	if err := writeTemplate(file, configs(p.config, variant), filled); err != nil {
		return nil, err
	}
	if s.Process, err = startProcess(proxyCore, p.env, p.path, p.args(file, filled)...); err != nil {
		return nil, err
	}
	if err := awaitBody(ctx, s.Process, s.address, 10*time.Second); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}
