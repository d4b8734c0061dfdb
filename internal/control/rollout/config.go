package rollout

import (
	"time"

	"github.com/afloat-dev/afloat/internal/control/judge"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/policy"
)

// Limits of a Config.
const (
	stepsMax = 100
	hooksMax = 20
	timeMax  = 30 * 24 * time.Hour
)

// Strategy is how a new version takes the place of the old one.
type Strategy string

const (
	// Rolling replaces replica by replica.
	Rolling Strategy = "rolling"
	// BlueGreen starts the new version whole beside the old one, and switches at
	// once.
	BlueGreen Strategy = "blueGreen"
	// Canary gives the new version a share of the requests that grows.
	Canary Strategy = "canary"
)

// Enum lists what a configuration file may say.
func (Strategy) Enum() []string {
	return []string{string(Rolling), string(BlueGreen), string(Canary)}
}

// Config is how new versions of a service's process are released. How many
// replicas may be missing or surplus in a rolling release, and how long a release
// may stand still, is said by the process, under rolling.
type Config struct {
	// Strategy is rolling, blueGreen or canary. Default canary where there are
	// steps, blueGreen where there is a preview, else rolling.
	Strategy Strategy `yaml:"strategy"`
	// Steps lead a canary from its first request to all of them. Default, for a
	// canary: weights of 5%, 25% and 50%, each held for 5m. A blueGreen release
	// may have steps that hold or wait at a gate before it switches. Default,
	// where it has a preview: one gate.
	Steps []StepConfig `yaml:"steps"`
	// Preview is an address whose requests go to the new version before anybody
	// else's do. Default: none.
	Preview string `yaml:"preview"`
	// Keep is how long the old version goes on running, without requests, after
	// the new one took them all, so that an abort is instant. Default 10m for
	// blueGreen, 1m for canary; a rolling release keeps none.
	Keep time.Duration `yaml:"keep" min:"-1s"`
	// Sticky keeps users at their version. Default: only on sticky routes.
	Sticky gateway.SplitSticky `yaml:"sticky"`
	// Baseline runs fresh replicas of the old version beside a canary, as many as
	// it has and with the same share of the requests, and compares it with those
	// alone.
	Baseline bool `yaml:"baseline"`
	// CrashesMax is how many ends of processes of the new version are borne.
	// Default 1; negative: none.
	CrashesMax int `yaml:"crashesMax" min:"-1"`
	// Judge says what the requests of a new version must show. Default: a canary
	// is judged with the judge's defaults, and no other release is.
	Judge *judge.Config `yaml:"judge"`
	// Unjudged releases a canary without a judge.
	Unjudged bool `yaml:"unjudged"`
	// Hooks are asked on the way.
	Hooks []HookConfig `yaml:"hooks"`
}

// StepConfig is a step of a release. What it does not say stays as it was.
type StepConfig struct {
	// Mirror is the share of the old version's requests of which the new one gets
	// copies, and nobody their answers. Requests that change something are not
	// copied.
	Mirror policy.Ratio `yaml:"mirror"`
	// Match lists alternatives, as by a header or a cookie; requests that match
	// one go to the new version.
	Match []gateway.MatchConfig `yaml:"match"`
	// Weight is the share of the requests that the new version gets.
	Weight policy.Ratio `yaml:"weight"`
	// Hold is how long the step lasts at least. Default: until the judge has seen
	// enough, if there is one.
	Hold time.Duration `yaml:"hold"`
	// Gate waits for afloat rollout promote.
	Gate bool `yaml:"gate"`
}

// HookTime is when a hook is asked.
type HookTime string

// The times of hooks.
const (
	HookBefore HookTime = "before" // before anything is started
	HookDuring HookTime = "during" // again and again while the new version gets requests
	HookAfter  HookTime = "after"  // once it gets all requests
)

// Enum lists what a configuration file may say.
func (HookTime) Enum() []string {
	return []string{string(HookBefore), string(HookDuring), string(HookAfter)}
}

// HookConfig is a program that is asked by HTTP whether the release may go on. A
// status of 200 to 299 says yes.
type HookConfig struct {
	// At is when it is asked: before, during or after. Required.
	At HookTime `yaml:"at"`
	// URL gets a POST with the release in JSON. Required.
	URL string `yaml:"url"`
	// Timeout bounds one call. Default 10s.
	Timeout time.Duration `yaml:"timeout"`
	// Interval is the time between calls. Default 10s.
	Interval time.Duration `yaml:"interval"`
	// FailuresMax is how many failures in a row are borne; one more aborts the
	// release. Default 0.
	FailuresMax int `yaml:"failuresMax"`
}
