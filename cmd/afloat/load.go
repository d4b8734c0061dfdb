package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/afloat-dev/afloat/internal/config"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// sources are the flags that say what to load, shared by run and check.
type sources struct {
	files     []string
	upstreams []string
	listen    string
	input     []byte // what was read from standard input, for the next reload

	sidecar           bool     // files may be missing
	outbound, inbound []string // addresses of a sidecar's listeners
}

func (f *sources) register(c *cobra.Command) {
	c.Flags().StringArrayVarP(&f.files, "file", "f", nil, "`FILE` to load: afloat.yaml, an Istio or a Kubernetes document, a folder of them, or - for standard input; may be repeated")
	c.Flags().StringArrayVarP(&f.upstreams, "upstream", "u", nil, "addresses of a service that the files name but do not place, as `SERVICE[/SUBSET]=HOST:PORT[,HOST:PORT...]`; may be repeated")
	c.Flags().StringVarP(&f.listen, "listen", "l", "", "`ADDRESS` to listen on, in place of the files' listeners")
	_ = c.MarkFlagFilename("file", "yaml", "yml") // only fails for a flag that does not exist
}

func (f *sources) options() config.Options {
	return config.Options{Upstreams: f.upstreams, Listen: f.listen, Outbound: f.outbound, Inbound: f.inbound, Resolve: resolve, Input: bytes.NewReader(f.input)}
}

// resolve reports whether a host name has an address now.
func resolve(host string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, err := net.DefaultResolver.LookupHost(ctx, host)
	var failed *net.DNSError
	if errors.As(err, &failed) {
		return errors.New(failed.Err) // without the host, which the problem names, and the server
	}
	return err
}

// load reads the files and prints every problem. Warnings let it go on.
func (f *sources) load(s *streams) (*config.Assembly, error) {
	if len(f.files) == 0 && !f.sidecar {
		return nil, &exit{code: exitUsage, err: errors.New("which configuration? Write -f FILE, as in: afloat run -f afloat.yaml")}
	}
	if slices.Contains(f.files, config.Stdin) {
		var err error
		if f.input, err = io.ReadAll(io.LimitReader(s.in, yamltree.BytesMax+1)); err != nil {
			return nil, &exit{code: exitUsage, err: fmt.Errorf("read standard input: %w", err)}
		}
	}
	a, problems := config.Load(f.files, f.options())
	problems.Render(s.err, isTerminal(s.err))
	if err := problems.Err(); err != nil {
		return nil, &exit{code: exitUsage, err: fmt.Errorf("the configuration cannot be used: %w", err), quiet: true}
	}
	return a, nil
}

// isTerminal reports whether w is a terminal that may be drawn on.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
