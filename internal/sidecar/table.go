package sidecar

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Errors of changing the rules.
var (
	// ErrInPlace: the network namespace has rules of an Afloat already.
	ErrInPlace = errors.New("rules of an Afloat are in place in this network namespace; afloat sidecar status tells whose, afloat sidecar down removes them, and --replace takes their place")
	// ErrNotAllowed: this process may not change rules.
	ErrNotAllowed = errors.New("changing nftables rules is not permitted: run it as root, or with CAP_NET_ADMIN")
	// ErrNoTool: nft is not there.
	ErrNoTool = errors.New("nft is not on the PATH: install nftables")
	// ErrForeign: a table has the name, and is none of an Afloat.
	ErrForeign = errors.New("the table inet " + Table + " is not one of afloat sidecar: remove it with nft")
	// ErrGone: the rules to remove are not in place.
	ErrGone = errors.New("the rules are not in place")
)

// nftTimeout bounds a call of nft, and nftBytesMax what is read of its output.
const (
	nftTimeout  = 10 * time.Second
	nftBytesMax = 1 << 20
)

// NewOwner is a name for a table that the process keeps; process 0 stands for
// a table that stays until it is removed.
func NewOwner(process int) string {
	return fmt.Sprintf("owner_%d_%s", process, strings.ToLower(rand.Text()))
}

var ownerName = regexp.MustCompile(`\bowner_(\d+)_[a-z0-9]+\b`)

// Up puts the rules in place, all of them or none.
func Up(ctx context.Context, r *Rules, owner string) error {
	if err := r.Validate(); err != nil {
		return err
	}
	_, err := nft(ctx, r.Script(owner), "-f", "-")
	if errors.Is(err, syscall.EEXIST) {
		return ErrInPlace
	}
	return err
}

// Replace puts the rules in the place of those that are there, whoever put them
// in place, in one transaction: no connection finds none in between.
func Replace(ctx context.Context, r *Rules, owner string) error {
	if err := r.Validate(); err != nil {
		return err
	}
	st, err := Read(ctx)
	switch {
	case err != nil:
		return err
	case !st.InPlace:
		return Up(ctx, r, owner)
	case st.Owner == "":
		return ErrForeign
	}
	_, err = nft(ctx, removal(st.Owner)+r.Script(owner), "-f", "-")
	return err
}

// removal is a script that fails where the owner has no table.
func removal(owner string) string {
	return fmt.Sprintf("delete chain inet %s %s\ndelete table inet %s\n", Table, owner, Table)
}

// Remove deletes the table that the owner has put in place, and no other:
// ErrGone says that there is none.
func Remove(ctx context.Context, owner string) error {
	if owner == "" || ownerName.FindString(owner) != owner {
		return fmt.Errorf("%q is not the owner of rules", owner)
	}
	_, err := nft(ctx, removal(owner), "-f", "-")
	if errors.Is(err, syscall.ENOENT) {
		return ErrGone
	}
	return err
}

// Status is what stands in a network namespace.
type Status struct {
	// InPlace says that there are rules.
	InPlace bool `json:"inPlace"`
	// Owner is who put them in place.
	Owner string `json:"owner,omitempty"`
	// PID is the process that keeps them; 0 when they stay without one.
	PID int `json:"pid,omitempty"`
	// Running says that the process is there, or that none is needed.
	Running bool `json:"running"`
	// Rules are the rules with their counters, as nft writes them.
	Rules string `json:"rules,omitempty"`
}

// Read reports which rules are in place.
func Read(ctx context.Context) (Status, error) {
	out, err := nft(ctx, "", "list", "table", "inet", Table)
	if errors.Is(err, syscall.ENOENT) {
		return Status{}, nil
	}
	if err != nil {
		return Status{}, err
	}
	st := Status{InPlace: true, Rules: out}
	if found := ownerName.FindStringSubmatch(out); found != nil {
		st.Owner = found[0]
		st.PID, _ = strconv.Atoi(found[1]) // digits; too many of them are nobody's
		st.Running = st.PID == 0 || errors.Is(syscall.Kill(st.PID, 0), syscall.EPERM) || syscall.Kill(st.PID, 0) == nil
	}
	return st, nil
}

// nft runs the tool, with a script for its standard input.
func nft(ctx context.Context, script string, args ...string) (string, error) {
	path, err := exec.LookPath("nft")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/nft") // which is seldom on a user's PATH
	}
	if err != nil {
		return "", ErrNoTool
	}
	ctx, cancel := context.WithTimeout(ctx, nftTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(script)
	cmd.Env = []string{"LC_ALL=C"} // its words are read
	var out, problem limited
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return "", explain(err, problem.String())
	}
	return out.String(), nil
}

// explain finds the reason in what nft says.
func explain(err error, says string) error {
	first, _, _ := strings.Cut(strings.TrimSpace(says), "\n")
	for _, no := range []syscall.Errno{syscall.EEXIST, syscall.ENOENT} {
		// nft capitalises what the C library says of an error.
		if strings.Contains(strings.ToLower(says), no.Error()) {
			return fmt.Errorf("nft: %s: %w", first, no)
		}
	}
	if strings.Contains(strings.ToLower(says), syscall.EPERM.Error()) {
		return ErrNotAllowed
	}
	if first == "" {
		return fmt.Errorf("nft: %w", err)
	}
	return fmt.Errorf("nft: %s", first)
}

// limited keeps the beginning of what is written.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if room := nftBytesMax - l.Len(); room > 0 {
		l.Buffer.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}
