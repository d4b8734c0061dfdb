package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/afloat-dev/afloat/internal/authority"
)

// folder is the flag that says where an authority is.
type folder struct {
	dir    string
	asJSON bool
}

func (f *folder) register(c *cobra.Command) {
	c.Flags().StringVarP(&f.dir, "dir", "d", "ca", "`FOLDER` of the authority")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
	_ = c.MarkFlagDirname("dir") // only fails for a flag that does not exist
}

func newCA(s *streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "ca",
		Short: "Issue short-lived certificates, so that services know each other",
		Long: `Ca keeps a certificate authority in a folder: a root, a key that issues in its
name, and certificates for services, each with a SPIFFE ID. It can certify only
names of its trust domain, localhost, private addresses, and what init allows
beside them. Certificates are valid for a day; afloat run renews those of
listeners and services that say renewFrom, and afloat ca renew the others.`,
		Example: `  afloat ca init
  afloat ca issue web --ip 127.0.0.1
  afloat ca show`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newCAInit(s), newCAIssue(s), newCARenew(s), newCAShow(s))
	return c
}

func newCAInit(s *streams) *cobra.Command {
	var at folder
	var config authority.Config
	var networks []string
	c := &cobra.Command{
		Use:   "init",
		Short: "Make an authority in a folder that is empty or does not exist",
		Long: `Init makes a root and a key that issues in its name. Only their owner may read
the folder. What holds something already is never written over. The root's key
is needed once a year, to renew the issuing one: it may be kept elsewhere.`,
		Example: `  afloat ca init
  afloat ca init --trust-domain shop.internal --allow-dns shop.example --allow-ip 203.0.113.0/24 --dir /etc/afloat/ca`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			for _, text := range networks {
				_, n, err := net.ParseCIDR(text)
				if err != nil {
					return &exit{code: exitUsage, err: fmt.Errorf("--allow-ip %s: want a network such as 203.0.113.0/24", text)}
				}
				config.IP = append(config.IP, n)
			}
			if err := authority.Init(at.dir, config); err != nil {
				return &exit{code: exitUsage, err: err}
			}
			return at.print(s, []string{filepath.Join(at.dir, "root.pem"), filepath.Join(at.dir, "issuing.pem")})
		},
	}
	at.register(c)
	c.Flags().StringVar(&config.TrustDomain, "trust-domain", config.WithDefaults().TrustDomain, "the `DOMAIN` of SPIFFE IDs, and of the host names below it")
	c.Flags().StringArrayVar(&config.DNS, "allow-dns", nil, "a further `NAME` that may be certified, with all below it; may be repeated")
	c.Flags().StringArrayVar(&networks, "allow-ip", nil, "a further `NETWORK` whose addresses may be certified; may be repeated")
	return c
}

func newCAIssue(s *streams) *cobra.Command {
	var at folder
	var request authority.Request
	c := &cobra.Command{
		Use:   "issue NAME",
		Short: "Issue a certificate for a service",
		Long: `Issue makes a key and a certificate, which servers and clients may show alike,
and writes them with what leads to the root into FOLDER/NAME.pem, which only its
owner may read. Without --dns and --ip it is for NAME.DOMAIN.`,
		Example: `  afloat ca issue web
  afloat ca issue web --dns localhost --ip 127.0.0.1
  afloat ca issue cart --spiffe spiffe://afloat.internal/shop/cart --ttl 1h`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			a, err := authority.Open(at.dir)
			if err != nil {
				return &exit{code: exitUsage, err: err}
			}
			request.Name = args[0]
			file, err := a.Issue(request)
			if err != nil {
				return &exit{code: exitUsage, err: err}
			}
			return at.print(s, []string{file})
		},
	}
	at.register(c)
	c.Flags().StringArrayVar(&request.DNS, "dns", nil, "a host `NAME` that the service has; may be repeated")
	c.Flags().IPSliceVar(&request.IP, "ip", nil, "an `ADDRESS` that it has; may be repeated")
	c.Flags().StringVar(&request.SPIFFE, "spiffe", "", "its `ID`; default: spiffe://DOMAIN/NAME")
	c.Flags().DurationVar(&request.TTL, "ttl", authority.TTLDefault, "how long it is valid, at most 2160h")
	return c
}

func newCARenew(s *streams) *cobra.Command {
	var at folder
	var all bool
	c := &cobra.Command{
		Use:   "renew [NAME...]",
		Short: "Renew certificates: those named, or those of which two thirds are over",
		Long: `Renew replaces certificates by others of the same names and the same life, with
new keys. A file is replaced in one step, so that a reader sees the old or the
new one. A certificate that has expired can be renewed.`,
		Example: `  afloat ca renew
  afloat ca renew web
  afloat ca renew --all --json`,
		RunE: func(_ *cobra.Command, args []string) error {
			if all && len(args) > 0 {
				return &exit{code: exitUsage, err: errors.New("--all renews every certificate: name none")}
			}
			files, err := at.renew(args, all)
			if err != nil {
				return err
			}
			return at.print(s, files)
		},
		ValidArgsFunction: at.complete,
	}
	at.register(c)
	c.Flags().BoolVar(&all, "all", false, "renew all of them")
	return c
}

// renew renews what is named, or all, or what is due.
func (f *folder) renew(names []string, all bool) (files []string, err error) {
	a, err := authority.Open(f.dir)
	if err != nil {
		return nil, &exit{code: exitUsage, err: err}
	}
	known, err := authority.List(f.dir, 0)
	if err != nil {
		return nil, &exit{code: exitUsage, err: err}
	}
	for _, name := range names {
		if !slices.ContainsFunc(known, func(c authority.Certificate) bool { return c.Kind == "service" && c.Name == name }) {
			return nil, &exit{code: exitUsage, err: fmt.Errorf("%s has no certificate %s: afloat ca show lists them", f.dir, name)}
		}
	}
	var problems []error
	for _, c := range known {
		if c.Kind != "service" || !all && !slices.Contains(names, c.Name) && (len(names) > 0 || time.Now().Before(c.RenewAt)) {
			continue
		}
		if err := a.Renew(c.File); err != nil {
			problems = append(problems, err)
			continue
		}
		files = append(files, c.File)
	}
	if len(problems) > 0 {
		return nil, &exit{code: exitFailed, err: errors.Join(problems...)}
	}
	return files, nil
}

// complete offers the names of certificates.
func (f *folder) complete(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
	known, _ := authority.List(f.dir, 0) // without an authority there is nothing to offer
	for _, c := range known {
		if c.Kind == "service" {
			names = append(names, c.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func newCAShow(s *streams) *cobra.Command {
	var at folder
	var within time.Duration
	var root bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Show the certificates, and which are about to expire",
		Long: `Show lists the certificates of an authority. The exit code is 1 when one has
expired or is about to: when it has less than a sixth of its life left, so that
its renewal has failed for a while, or less than --within.`,
		Example: `  afloat ca show
  afloat ca show --within 2h || echo "somebody should look"
  afloat ca show --root > /etc/ssl/afloat-root.pem
  afloat ca show --json | jq '.[] | select(.state != "valid") | .name'`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if root {
				a, err := authority.Open(at.dir)
				if err != nil {
					return &exit{code: exitUsage, err: err}
				}
				return pem.Encode(s.out, &pem.Block{Type: "CERTIFICATE", Bytes: a.Root().Raw})
			}
			all, err := authority.List(at.dir, within)
			if err != nil {
				return &exit{code: exitUsage, err: err}
			}
			if at.asJSON {
				err = printJSON(s.out, all)
			} else {
				err = writeCertificates(s.out, all)
			}
			if err == nil && slices.ContainsFunc(all, func(c authority.Certificate) bool { return c.State != "valid" }) {
				return &exit{code: exitFailed, err: errors.New("a certificate is about to expire"), quiet: true}
			}
			return err
		},
	}
	at.register(c)
	c.Flags().DurationVar(&within, "within", 0, "how much `TIME` must be left; default: a sixth of each one's life")
	c.Flags().BoolVar(&root, "root", false, "print the root's certificate, by which others check the authority's")
	c.MarkFlagsMutuallyExclusive("root", "json")
	return c
}

// print tells of certificates that have just been made.
func (f *folder) print(s *streams, files []string) error {
	made := []authority.Certificate{}
	for _, file := range files {
		c, err := authority.Describe(file, 0)
		if err != nil {
			return &exit{code: exitFailed, err: err}
		}
		made = append(made, c)
	}
	if f.asJSON {
		return printJSON(s.out, made)
	}
	for _, c := range made {
		fmt.Fprintf(s.out, "%s: %s, valid until %s\n", c.File, c.SPIFFE, c.NotAfter.UTC().Format(time.DateTime))
	}
	return nil
}

// writeCertificates prints certificates for people.
func writeCertificates(out io.Writer, all []authority.Certificate) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSTATE\tLEFT\tUNTIL (UTC)\tIDENTITY\tFOR")
	for _, c := range all {
		left := "-"
		if c.State != "expired" {
			left = short(time.Until(c.NotAfter).Seconds())
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", c.Name, c.State, left, c.NotAfter.UTC().Format(time.DateTime),
			c.SPIFFE, strings.Join(append(slices.Clone(c.DNS), c.IP...), " "))
	}
	return w.Flush()
}
