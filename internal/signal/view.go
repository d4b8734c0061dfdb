package signal

import (
	"slices"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// View is all that the live view shows, at one moment. It is JSON, so that
// another process can draw it.
type View struct {
	// Name of what runs, such as its configuration file; may be empty.
	Name string `json:"name,omitempty"`
	// Time is now to the one who made the View.
	Time          time.Time                `json:"time"`
	UptimeSeconds float64                  `json:"uptimeSeconds"`
	Listeners     []gateway.ListenerStatus `json:"listeners"`
	// All is the sum of the services.
	All      ServiceSignals `json:"all"`
	Services []ServiceView  `json:"services"`
	// Events are the last ones, oldest first.
	Events []Event `json:"events"`
	// Section gives further lines for a width. They may be coloured by SGR
	// sequences; other control sequences are left out.
	Section func(width int) []string `json:"-"`
}

// ServiceView is what the live view shows of a service.
type ServiceView struct {
	Signals   ServiceSignals            `json:"signals"`
	History   History                   `json:"history"`
	Endpoints []gateway.EndpointStatus  `json:"endpoints"`
	Replicas  []supervise.ReplicaStatus `json:"replicas,omitempty"`
	// Rollout is why the service's rollout is stalled; empty when it is not.
	Rollout string `json:"rollout,omitempty"`
}

// Source is where a [View] comes from. Each field may be left out.
type Source struct {
	Name     string
	Started  time.Time
	Status   func() gateway.Status
	Replicas func() []supervise.ServiceStatus
	Window   *Window
	Events   *EventLog
	Section  func(width int) []string
}

const (
	// viewPeriod is over which time the figures of a View are taken: short
	// enough to show a fault at once, long enough not to flicker.
	viewPeriod = 5 * time.Second
	// viewHistory is how far the sparklines reach back.
	viewHistory = 60 * time.Second
	// viewEvents bounds the events of a View.
	viewEvents = 40
)

// View gathers what is to be shown now. Figures are those of the last 5 s, and
// histories those of the last minute.
func (s Source) View() View {
	v := View{Name: s.Name, Time: time.Now(), Section: s.Section}
	if !s.Started.IsZero() {
		v.UptimeSeconds = v.Time.Sub(s.Started).Seconds()
	}
	if s.Window != nil {
		histories := s.Window.Histories(viewHistory)
		for i, signals := range s.Window.Snapshot(viewPeriod) {
			if i == 0 {
				v.All = signals
				continue
			}
			service := v.service(signals.Service)
			service.Signals = signals
			// A service may have come between the two calls.
			if at := slices.IndexFunc(histories, func(h History) bool { return h.Service == signals.Service }); at > 0 {
				service.History = histories[at]
			}
		}
	}
	if s.Status != nil {
		v.addStatus(s.Status())
	}
	if s.Replicas != nil {
		v.addReplicas(s.Replicas())
	}
	slices.SortFunc(v.Services, func(a, b ServiceView) int { return strings.Compare(a.Signals.Service, b.Signals.Service) })
	if s.Events != nil {
		v.Events = s.Events.Recent(viewEvents)
	}
	return v
}

func (v *View) addStatus(status gateway.Status) {
	v.Listeners = status.Listeners
	v.All.InFlight, v.All.Limit, v.All.Queued = 0, 0, 0
	for _, s := range status.Services {
		service := v.service(s.Name)
		service.Endpoints = s.Endpoints
		service.Signals.InFlight, service.Signals.Limit, service.Signals.Queued = s.InFlight, s.Limit, s.Queued
		v.All.InFlight += s.InFlight
		v.All.Limit += s.Limit
		v.All.Queued += s.Queued
	}
}

func (v *View) addReplicas(services []supervise.ServiceStatus) {
	for _, s := range services {
		service := v.service(s.Service)
		service.Replicas = append(service.Replicas, s.Replicas...)
		if s.Rollout == supervise.RolloutStalled {
			service.Rollout = "rollout stalled: " + s.RolloutWhy
		}
	}
}

// service returns the view of a service, which it adds where there is none.
func (v *View) service(name string) *ServiceView {
	for i := range v.Services {
		if v.Services[i].Signals.Service == name {
			return &v.Services[i]
		}
	}
	v.Services = append(v.Services, ServiceView{Signals: ServiceSignals{Service: name}})
	return &v.Services[len(v.Services)-1]
}
