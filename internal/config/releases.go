package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
	"github.com/afloat-dev/afloat/internal/control/rollout"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// releasedNameMax bounds the name of a released service: each of its versions
// has that name and a revision.
const releasedNameMax = 40

func (a *assembler) addRelease(name string, c *rollout.Config, at place) {
	if c == nil {
		return
	}
	a.places.set(at, "releases", name)
	a.out.Releases[name] = *c
}

// addPreviews listens where next versions are shown.
func (a *assembler) addPreviews() {
	for _, name := range slices.Sorted(maps.Keys(a.out.Releases)) {
		c := a.out.Releases[name]
		if c.Preview == "" || c.Validate() != nil {
			continue
		}
		if at, ok := a.places.find([]string{"releases", name, "preview"}); ok {
			a.places.set(at, "listeners", len(a.out.Gateway.Listeners), "address")
		}
		a.out.Gateway.Listeners = append(a.out.Gateway.Listeners, gateway.ListenerConfig{Address: c.Preview, Preview: name})
	}
}

// checkReleases places what is wrong with releases.
func (a *assembler) checkReleases() {
	for _, name := range slices.Sorted(maps.Keys(a.out.Releases)) {
		at, ok := a.places.find([]string{"releases", name})
		if !ok {
			continue
		}
		c := a.out.Releases[name]
		for _, err := range flatten(c.Validate()) {
			var e *rollout.FieldError
			if errors.As(err, &e) {
				a.report(at.at(steps(e.Field)...).problem(e.Problem, ""))
			}
		}
		switch {
		case !a.runs(name) && !a.idle(name):
			a.report(at.problem("releases a process, and the service has none", "write process: {command: [PROGRAM]}, or leave release out"))
		case len(a.out.Gateway.Services[name].Endpoints) > 0:
			a.report(at.problem("shares requests among versions of the process, but the service has endpoints beside it", "make them a service of their own"))
		case len(name) > releasedNameMax:
			a.report(at.problem(fmt.Sprintf("the name of a released service may have %d characters", releasedNameMax), "shorten it"))
		case c.WithDefaults().Strategy != rollout.Rolling && a.takesConnections(name):
			a.report(at.problem("shares requests, and the service takes connections that are passed on whatever they speak", "write strategy: rolling"))
		}
	}
}

// steps are those of a path such as steps[0].weight.
func steps(field string) (out []any) {
	for _, s := range yamltree.ParsePath(field) {
		out = append(out, s)
	}
	return out
}

// takesConnections reports whether a listener of TCP leads to the service.
func (a *assembler) takesConnections(name string) bool {
	return slices.ContainsFunc(a.out.Gateway.Listeners, func(l gateway.ListenerConfig) bool {
		return l.TCP != nil && (l.TCP.Service == name || slices.Contains(slices.Collect(maps.Values(l.TCP.ServerNames)), name))
	})
}

func explainRelease(c rollout.Config) string {
	c = c.WithDefaults()
	text := map[rollout.Strategy]string{
		rollout.Rolling:   "a changed process takes the place of the old one replica by replica, and goes back when it fails",
		rollout.BlueGreen: "a changed process starts beside the old one and gets all requests at once",
		rollout.Canary:    "a changed process gets a share of the requests that grows",
	}[c.Strategy]
	var weights []string
	for _, s := range c.Steps {
		if s.Weight > 0 {
			weights = append(weights, s.Weight.String())
		}
	}
	if len(weights) > 0 {
		text += ": " + strings.Join(weights, ", ")
	}
	if c.Preview != "" {
		text += "; before that it is shown at " + c.Preview
	}
	return text
}

// ParseProcess changes what a text says of a process, as a service has it under
// process, such as {env: {MODE: test}}. Problems name it by the source's name.
func ParseProcess(s Source, c supervise.Config) (supervise.Config, error) {
	c = c.WithDefaults() // which shares nothing with what it was
	documents, err := yamltree.Parse(s.Name, s.Data)
	if err != nil || len(documents) == 0 {
		return c, err
	}
	env := maps.Clone(c.Env)
	if err := documents[0].Decode(&c, yamltree.Options{Verbatim: true}).Err(); err != nil {
		return c, err
	}
	for name, value := range env { // variables are added to those that there are
		if _, ok := c.Env[name]; !ok {
			c.Env[name] = value
		}
	}
	return c, nil
}
