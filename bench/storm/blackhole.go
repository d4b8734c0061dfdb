package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/afloat-dev/afloat/bench/rig"
)

// filterTable is the table of the packet filter that holds all rules of this
// program, and nothing else.
const filterTable = "inet afloat_storm"

// canBlock says why packets cannot be dropped here, or nothing.
func canBlock() error {
	if os.Geteuid() != 0 {
		return errors.New("needs root, to drop packets")
	}
	if _, err := rig.Find("nft"); err != nil {
		return errors.New("needs nft: apt-get install nftables")
	}
	if err := filter("add table " + filterTable + "\ndelete table " + filterTable); err != nil {
		return fmt.Errorf("packets cannot be dropped here: %w", err)
	}
	return nil
}

// block drops what is sent to a port of this machine, without a word to who
// sent it.
func block(port string) error {
	return filter(fmt.Sprintf(`add table %[1]s
add chain %[1]s input { type filter hook input priority 0; }
add rule %[1]s input tcp dport %[2]s drop`, filterTable, port))
}

// unblock takes back whatever block did, also in a run before that was killed.
func unblock() {
	if os.Geteuid() == 0 {
		_ = filter("delete table " + filterTable) // there is none, or no packet filter
	}
}

func filter(script string) error {
	path, err := rig.Find("nft")
	if err != nil {
		return err
	}
	nft := exec.Command(path, "-f", "-")
	nft.Stdin = strings.NewReader(script + "\n")
	if out, err := nft.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
