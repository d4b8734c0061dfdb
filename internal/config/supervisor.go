package config

import (
	"time"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// SupervisorConfig is how the processes of all services are kept. Changes are
// taken over at the next start or upgrade.
type SupervisorConfig struct {
	// Adopt is how long the processes run on when Afloat is killed, for another
	// Afloat with the same data folder to take them over, and its sockets with
	// them. Default 0: they are killed at once.
	Adopt time.Duration `yaml:"adopt"`
	// Limits says what becomes of a process's limit that this machine cannot
	// keep: warn runs the process without it, require does not run it. Default
	// warn.
	Limits supervise.LimitMode `yaml:"limits"`
}

const adoptMax = time.Hour

func (a *assembler) checkSupervisor() {
	at, said := a.places["supervisor"]
	if adopt := a.out.Supervisor.Adopt; said && (adopt < 0 || adopt > adoptMax) {
		a.report(at.at("adopt").problem("want 0s to "+adoptMax.String()+", got "+adopt.String(), ""))
	}
}

// checkLimits tells of limits that this machine cannot keep, as an error where
// they are required.
func (a *assembler) checkLimits(p process) {
	before := len(a.problems)
	a.fieldErrors(p.Name, p.Unkept())
	if a.out.Supervisor.Limits == supervise.LimitsRequire {
		return
	}
	for i := range a.problems[before:] {
		a.problems[before+i].Severity = yamltree.Warning
	}
}
