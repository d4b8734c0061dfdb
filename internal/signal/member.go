package signal

import (
	"fmt"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// member is a line of a service: an endpoint, a supervised replica, or both.
type member struct {
	name   string
	state  string
	detail string
	extra  string // where there is room
	mark   string
	style  style
	up     bool
	// gone is one that is not wanted any more, and not missed.
	gone bool
}

// members lists a service's endpoints in their order, and then the replicas
// that are not among them.
func members(s ServiceView, now time.Time) []member {
	replicas := map[string]supervise.ReplicaStatus{}
	for _, r := range s.Replicas {
		if len(r.Ports) > 0 {
			replicas[r.Ports[0].Addr] = r
		}
	}
	var list []member
	for _, e := range s.Endpoints {
		m := endpointMember(e)
		if r, ok := replicas[e.Address]; ok {
			m.ofReplica(r)
			delete(replicas, e.Address)
		}
		list = append(list, m)
	}
	for _, r := range s.Replicas {
		if len(r.Ports) > 0 {
			if _, missing := replicas[r.Ports[0].Addr]; !missing {
				continue
			}
		}
		list = append(list, replicaMember(r, now))
	}
	return list
}

func endpointMember(e gateway.EndpointStatus) member {
	m := member{name: e.Address, state: e.State, up: e.State == "up"}
	m.mark, m.style = "○", bad
	switch e.State {
	case "up":
		m.mark, m.style = "●", good
		m.detail = fmt.Sprintf("%3d in flight %7s", e.InFlight, latencyFigure(e.LatencySeconds))
		if e.Breaker != "" && e.Breaker != "closed" {
			m.mark, m.style = "◐", warn
			m.extra = "  breaker " + e.Breaker
		}
		return m
	case "probing":
		m.mark, m.style = "◐", warn
	case "draining":
		m.mark, m.style, m.gone = "◌", dim, true
		m.detail = fmt.Sprintf("%3d in flight", e.InFlight)
	}
	m.state += " " + ageFigure(e.SinceSeconds)
	m.detail += e.Why
	if e.RetryAfterSeconds > 0 {
		m.detail += ", again in " + ageFigure(e.RetryAfterSeconds)
	}
	return m
}

// ofReplica adds what the supervisor knows of an endpoint.
func (m *member) ofReplica(r supervise.ReplicaStatus) {
	m.name += fmt.Sprintf(" #%d", r.ID)
	if r.Restarts > 0 && m.up {
		m.extra += "  " + plural(r.Restarts, "restart")
	}
}

func replicaMember(r supervise.ReplicaStatus, now time.Time) member {
	m := member{name: fmt.Sprintf("replica #%d", r.ID), state: r.Phase.String(), detail: r.Why, mark: "○", style: bad}
	switch r.Phase {
	case supervise.PhaseStarting, supervise.PhaseReady:
		m.mark, m.style = "◐", warn
	case supervise.PhaseStopping, supervise.PhaseStopped:
		m.mark, m.style, m.gone = "◌", dim, true
	}
	if m.detail == "" {
		m.detail = r.LastExit
	}
	if !r.Since.IsZero() {
		m.state += " " + ageFigure(now.Sub(r.Since).Seconds())
	}
	if wait := r.NextTry.Sub(now); wait > 0 && !r.NextTry.IsZero() {
		m.detail += ", again in " + ageFigure(wait.Seconds())
	}
	m.detail = strings.TrimPrefix(m.detail, ", ")
	return m
}

// memberLines draws at most so many members, and why a rollout is stalled.
// Members that are up are left out first, and summed up in a line.
func (s serviceMembers) memberLines(width, shown int) []string {
	if shown == 0 {
		return nil
	}
	var lines []string
	if s.Rollout != "" {
		lines = append(lines, newRow(width).put(warn, "   "+s.Rollout).String())
	}
	list := s.members
	show := make([]bool, len(list))
	left := min(shown, len(list))
	for _, up := range []bool{false, true} {
		for i, m := range list {
			if m.up == up && left > 0 {
				show[i] = true
				left--
			}
		}
	}
	for i, m := range list {
		if show[i] {
			lines = append(lines, m.line(width))
		}
	}
	if hidden := len(list) - shown; hidden > 0 {
		lines = append(lines, newRow(width).put(dim, fmt.Sprintf("   … and %d more", hidden)).String())
	}
	return lines
}

// The room for a member's name and state, in a wide and in a narrow terminal.
const (
	memberName, memberState             = 24, 17
	memberNameNarrow, memberStateNarrow = 19, 14
)

func (m member) line(width int) string {
	r := newRow(width)
	r.put(m.style, "   "+m.mark+" ")
	name, state := memberName, memberState
	if width < 100 {
		name, state = memberNameNarrow, memberStateNarrow
	}
	r.field(normal, m.name, name).to(5 + name + 1)
	stateStyle := m.style
	if m.up {
		stateStyle = dim
	}
	r.field(stateStyle, m.state, state).to(5 + name + 1 + state)
	if !m.up {
		return r.put(normal, m.detail).String()
	}
	r.put(dim, m.detail)
	return r.whole(dim, m.extra).String()
}

// standing says how many of the members that are wanted are up.
func standing(list []member) (string, style) {
	up, wanted := 0, 0
	for _, m := range list {
		if m.up {
			up++
		}
		if !m.gone {
			wanted++
		}
	}
	text := fmt.Sprintf("%d of %d up", up, wanted)
	switch {
	case up == 0:
		return text, bad
	case up < wanted:
		return text, warn
	}
	return text, good
}
