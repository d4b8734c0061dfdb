package rollout

import (
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
)

func TestConfigIsChecked(t *testing.T) {
	for want, c := range map[string]Config{
		`strategy: want rolling, blueGreen or canary, got "green"`:                                                    {Strategy: "green"},
		`steps: a rolling release has none; write strategy: canary`:                                                   {Strategy: Rolling, Steps: []StepConfig{{Weight: 0.1}}},
		`steps[0].weight: want 0% to 100%, got 120%`:                                                                  {Steps: []StepConfig{{Weight: 1.2}}},
		`steps[1].weight: want at least the 50% of the step before, got 20%`:                                          {Steps: []StepConfig{{Weight: 0.5}, {Weight: 0.2}}},
		`steps[0]: says nothing: want weight, mirror, match, hold or gate`:                                            {Steps: []StepConfig{{}}},
		`steps[1].mirror: copies come before requests: a step before, or this one, has a weight`:                      {Steps: []StepConfig{{Weight: 0.5}, {Mirror: 0.2}}},
		`steps[0].match[0].host: want a host name without port, such as shop.example.com or *.example.com, got "a b"`: {Steps: []StepConfig{{Match: []gateway.MatchConfig{{Host: "a b"}}}}},
		`steps[0]: a blueGreen release switches at once: want hold or gate, or strategy: canary`:                      {Strategy: BlueGreen, Steps: []StepConfig{{Weight: 0.5}}},
		`preview: a rolling release has no version to show beforehand; write strategy: blueGreen`:                     {Strategy: Rolling, Preview: "127.0.0.1:1"},
		`baseline: belongs to a canary; write strategy: canary`:                                                       {Baseline: true},
		`unjudged: belongs to a canary, which alone is judged by default`:                                             {Unjudged: true},
		`sticky.cookie: "a b" cannot be a cookie's name`:                                                              {Sticky: gateway.SplitSticky{Cookie: "a b"}},
		`hooks[0].at: want before, during or after, got ""`:                                                           {Hooks: []HookConfig{{URL: "http://a/"}}},
		`hooks[0].url: want a URL such as http://127.0.0.1:8000/check, got "a"`:                                       {Hooks: []HookConfig{{At: HookBefore, URL: "a"}}},
		`keep: want at most 720h0m0s, got 8000h0m0s`:                                                                  {Keep: 8000 * time.Hour},
	} {
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	err := Config{Strategy: "x", Keep: 2 * timeMax, Hooks: []HookConfig{{}}}.Validate()
	if strings.Count(err.Error(), "\n") < 3 {
		t.Errorf("want all problems at once, got %v", err)
	}
}

func TestConfigSaysItsStrategy(t *testing.T) {
	for want, c := range map[Strategy]Config{Rolling: {}, BlueGreen: {Preview: "127.0.0.1:1"}, Canary: {Steps: []StepConfig{{Weight: 1}}}} {
		if got := c.WithDefaults().Strategy; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if c := (Config{Strategy: Canary}).WithDefaults(); len(c.Steps) != 3 || c.Validate() != nil {
		t.Errorf("%+v", c)
	}
}
