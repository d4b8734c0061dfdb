package config

import (
	"github.com/afloat-dev/afloat/internal/alert"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
	"github.com/afloat-dev/afloat/internal/control/rollout"
	"github.com/afloat-dev/afloat/internal/control/scale"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal/tsdb"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// Assembly is all that files say, checked: [gateway.Config.Validate] and
// [supervise.Config.Validate] find nothing in it. It does not change.
type Assembly struct {
	// Gateway is what is served. It has at least one listener.
	Gateway gateway.Config
	// Processes are what the supervisor runs, by name. Each has the name of a
	// service of Gateway, whose endpoints its ready replicas are.
	Processes []supervise.Config
	// Supervisor is how they are kept.
	Supervisor SupervisorConfig
	// Scaling is by what the number of a process' replicas changes, by its name.
	Scaling map[string]scale.Config
	// Releases are how new versions of some of the processes are released, by
	// name.
	Releases map[string]rollout.Config
	// Admin is where Afloat answers for itself, with its default filled in.
	Admin AdminConfig
	// Data is the folder for what must outlive Afloat. Empty is the default.
	Data string
	// Metrics is how metrics are kept, as it was written.
	Metrics tsdb.Config
	// Sidecar is how a sidecar's listeners treat connections.
	Sidecar SidecarConfig
	// AccessLog is off where Path is empty; Sample has its default filled in.
	AccessLog AccessLogConfig
	// Tracing has its defaults filled in; nil is off.
	Tracing *TracingConfig
	// Log has its defaults filled in.
	Log LogConfig
	// Alerts say what is watched and who is told, with objectives and with rules
	// from documents and from the files that were named.
	Alerts alert.Config
	// Files are the files and folders that were read, for a watcher.
	Files []string
	// Warnings are what may not be meant, each with its place, the first 100 of
	// them. Nothing in force depends on them.
	Warnings []string

	watched []string // files that are named within Files

	idle  []idleService
	notes []string // of foreign documents, for Explain
}

// idleService is one that a document describes but that cannot run here.
type idleService struct{ name, where, why, fix string }

// Assemble makes an assembly of sources. It touches neither files nor network.
// With an error among the problems there is no Assembly.
func Assemble(sources []Source, o Options) (*Assembly, yamltree.Problems) {
	return assemble(sources, o).result()
}

// assembler collects an assembly, where its parts stood, and what is wrong.
type assembler struct {
	options  Options
	out      *Assembly
	places   places
	problems yamltree.Problems

	natives  []native
	foreign  foreign
	upstream map[string]bool // services that have their endpoints from Options
}

func assemble(sources []Source, o Options) *assembler {
	a := &assembler{
		options: o, places: places{}, upstream: map[string]bool{},
		out: &Assembly{Gateway: gateway.Config{Services: map[string]gateway.ServiceConfig{}}, Releases: map[string]rollout.Config{}},
	}
	for _, s := range sources {
		a.readSource(s)
	}
	for _, n := range a.natives {
		a.merge(n)
	}
	a.addForeign()
	a.addUpstreams(len(sources) == 0)
	a.fillIn()
	a.check()
	return a
}

func (a *assembler) result() (*Assembly, yamltree.Problems) {
	problems := a.problems.Sorted()
	if problems.Err() != nil {
		return nil, problems
	}
	for _, p := range problems[:min(len(problems), warningsMax)] {
		a.out.Warnings = append(a.out.Warnings, p.Error())
	}
	return a.out, problems
}

// warningsMax bounds the warnings that an Assembly keeps.
const warningsMax = 100

func (a *assembler) report(problems ...yamltree.Problem) {
	a.problems = append(a.problems, problems...)
}

// Runnable returns nil where at least one service has an endpoint or a process,
// and else an error that says why nothing would run and how to mend it.
func (a *Assembly) Runnable() error {
	if len(a.Processes) > 0 {
		return nil
	}
	for _, s := range a.Gateway.Services {
		if len(s.Endpoints) > 0 {
			return nil
		}
	}
	return &NothingError{idle: a.idle}
}

// NothingError says that nothing of an assembly can run or be served.
type NothingError struct{ idle []idleService }

func (e *NothingError) Error() string {
	if len(e.idle) == 0 {
		return "there is no service: write services: {web: {endpoints: [127.0.0.1:9001]}}"
	}
	text := "nothing can run"
	for _, s := range e.idle {
		text += "; " + s.where + ": " + s.why
		if s.fix != "" {
			text += ": " + s.fix
		}
	}
	return text
}
