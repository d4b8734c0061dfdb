package console

import (
	_ "embed"
	"net/http"
	"slices"

	"github.com/afloat-dev/afloat/internal/alert"
	"github.com/afloat-dev/afloat/internal/control/rollout"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/journal"
	"github.com/afloat-dev/afloat/internal/signal"
)

// operation is one thing that the API does. The routes and the OpenAPI document
// come from the same list of them.
type operation struct {
	method, path string
	summary      string
	role         Role // that it takes; "" for none
	query        []parameter
	body         any    // of the request, by its type; nil for none
	text         string // media type of a body that is no JSON
	answer       any    // by its type; nil for 204
	media        string // of an answer that is no JSON
	redirects    bool   // to where the answer is
	statuses     []int  // of refusals, beside 401 and 403
	serve        http.HandlerFunc
}

// parameter is one of a query.
type parameter struct {
	name, about string
	required    bool
}

// document is the OpenAPI document, which a test holds against operations.
//
//go:generate go test -run TestDocumentIsThatOfTheOperations -update .
//go:embed openapi.json
var document []byte

// operations are all that the API does. One whose part is missing from the
// Options has nothing that serves it.
func (a *api) operations() []operation {
	all := []operation{
		{method: "GET", path: "/api/v1/openapi.json", summary: "This document", answer: map[string]any{},
			serve: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write(document) // nobody to tell when the client has gone
			}},
		{method: "GET", path: "/api/v1/session", summary: "Who asks, and what they may do", answer: Session{}, serve: a.guard.whoAsks},
		{method: "POST", path: "/api/v1/session", summary: "Log a browser in with a token: sets a cookie", body: Login{}, answer: Session{},
			statuses: []int{400, 429}, serve: a.guard.logIn},
		{method: "DELETE", path: "/api/v1/session", summary: "Log a browser out", serve: a.guard.logOut},
		{method: "GET", path: "/api/v1/status", summary: "All that runs, what is out of order, and why", role: RoleReader, answer: Status{},
			serve: answer(func() any { return a.Status() })},
		{method: "GET", path: "/api/v1/view", summary: "The last minute, for a live view", role: RoleReader, answer: signal.View{},
			serve: answer(func() any { return a.View() })},
		{method: "GET", path: "/api/v1/history", summary: "The golden signals of the last five minutes, second by second", role: RoleReader,
			answer: []signal.History{}, serve: answer(func() any { return a.histories(historyMax) })},
		{method: "GET", path: "/api/v1/stream", summary: "A Live once a second, as server-sent events", role: RoleReader, answer: Live{}, media: "text/event-stream",
			statuses: []int{503}, serve: a.stream.serve},
	}
	return slices.Concat(all,
		a.leverOperations(),
		a.evictOperations(),
		a.faultOperations(),
		a.releaseOperations(),
		a.alertOperations(),
		a.journalOperations(),
		a.upgradeOperations(),
		a.oidcOperations(),
	)
}

func (a *api) oidcOperations() []operation {
	all := []operation{
		{method: "GET", path: oidcPath, summary: "Log a browser in at the provider of OpenID Connect", redirects: true, statuses: []int{502}},
		{method: "GET", path: callbackPath, summary: "Where the provider sends the browser back to", redirects: true, statuses: []int{400, 502},
			query: []parameter{{"code", "The provider's", false}, {"state", "As it was sent there", true}}},
	}
	if p := a.guard.provider; p != nil {
		all[0].serve, all[1].serve = p.begin, a.guard.finishOIDC
	}
	return all
}

const leverPath = "/api/v1/services/{service}/endpoints/{endpoint}/{lever}"

func (a *api) leverOperations() []operation {
	all := []operation{
		{method: "GET", path: "/api/v1/levers", summary: "What operators have done to endpoints by hand", role: RoleReader, answer: []gateway.Lever{}},
		{method: "PUT", path: leverPath, summary: "Drain or isolate an endpoint, or give it another weight", role: RoleOperator,
			body: Pull{}, answer: gateway.Lever{}, statuses: []int{400, 404, 409}},
		{method: "DELETE", path: leverPath, summary: "Undo that", role: RoleOperator, query: []parameter{whyParameter, whoParameter},
			answer: gateway.Lever{}, statuses: []int{400, 404}},
	}
	if a.Levers != nil {
		all[0].serve = answer(func() any { return a.Levers.Levers() })
		all[1].serve, all[2].serve = a.pullLever, a.undoLever
	}
	return all
}

var (
	whyParameter = parameter{"why", "The reason, for whoever comes next", true}
	whoParameter = parameter{"who", "Who does it; where somebody is logged in by name, that name counts", false}
)

func (a *api) faultOperations() []operation {
	route := parameter{"route", "The route's name", true}
	all := []operation{
		{method: "GET", path: "/api/v1/faults", summary: "The faults of all routes, and what they have done", role: RoleReader, answer: []gateway.FaultStatus{}},
		{method: "PUT", path: "/api/v1/faults", summary: "Inject a fault, as a route in afloat.yaml has it", role: RoleOperator,
			query: []parameter{route, {"for", "The time after which it ends by itself, such as 5m", true}, whyParameter, whoParameter}, body: "", text: "application/yaml", statuses: []int{400, 404}},
		{method: "DELETE", path: "/api/v1/faults", summary: "End the fault that was injected into a route", role: RoleOperator,
			query: []parameter{route, whyParameter, whoParameter}, statuses: []int{400, 404}},
	}
	if a.Faults != nil {
		all[0].serve = answer(func() any { return a.Faults.Faults() })
		all[1].serve, all[2].serve = a.injectFault, a.healFault
	}
	return all
}

func (a *api) releaseOperations() []operation {
	since := []parameter{{"since", "A time, or how long ago, such as 1m: of a history only what came later", false}}
	why := parameter{"why", "The reason, for whoever comes next", false}
	all := []operation{
		{method: "GET", path: "/api/v1/releases", summary: "The last release of each service", role: RoleReader, query: since,
			answer: []rollout.Status{}, statuses: []int{400}},
		{method: "GET", path: "/api/v1/releases/{service}", summary: "The last release of a service", role: RoleReader, query: since,
			answer: rollout.Status{}, statuses: []int{400, 404}},
		{method: "PUT", path: "/api/v1/releases/{service}", summary: "Start a release, or steer the one under way", role: RoleOperator,
			query: []parameter{{"do", "One of start, promote, finish, pause, resume, abort and undo", true}, why, whoParameter},
			body:  "", text: "application/yaml", statuses: []int{400, 404, 409}},
	}
	if a.Releases != nil {
		all[0].serve, all[1].serve, all[2].serve = a.listReleases, a.showRelease, a.steerRelease
	}
	return all
}

func (a *api) alertOperations() []operation {
	all := []operation{
		{method: "GET", path: "/api/v1/alerts", summary: "The alerts that hold", role: RoleReader, answer: []alert.OpenAlert{}},
		{method: "PUT", path: "/api/v1/alerts/acknowledgement", summary: "Note who looks after alerts", role: RoleOperator,
			body: Acknowledgement{}, answer: Acknowledged{}, statuses: []int{400, 404}},
		{method: "GET", path: "/api/v1/silences", summary: "The silences in force and to come", role: RoleReader, answer: []alert.Silence{}},
		{method: "PUT", path: "/api/v1/silences", summary: "Silence alerts for a time", role: RoleOperator, body: Silencing{}, answer: alert.Silence{}, statuses: []int{400}},
		{method: "DELETE", path: "/api/v1/silences/{id}", summary: "End a silence", role: RoleOperator, query: []parameter{whyParameter, whoParameter},
			answer: alert.Silence{}, statuses: []int{400, 404}},
		{method: "GET", path: "/api/v1/incidents", summary: "The last incidents", role: RoleReader, answer: []alert.Incident{},
			query: []parameter{{"limit", "How many at most. Default 50", false}}, statuses: []int{400}},
		{method: "GET", path: "/api/v1/incidents/{id}", summary: "All of an incident", role: RoleReader, answer: alert.Report{}, statuses: []int{400, 404}},
		{method: "GET", path: "/api/v1/incidents/{id}/postmortem", summary: "An incident's post-mortem, in Markdown", role: RoleReader,
			answer: "", media: "text/markdown", statuses: []int{400, 404}},
	}
	if a.Alerts != nil {
		all[0].serve = answer(func() any { return a.Alerts.Alerts() })
		all[2].serve = answer(func() any { return a.Alerts.Silences() })
		all[1].serve, all[3].serve, all[4].serve = a.acknowledge, a.silence, a.unsilence
		all[5].serve, all[6].serve, all[7].serve = a.listIncidents, a.showIncident, a.postMortem
	}
	return all
}

func (a *api) journalOperations() []operation {
	o := operation{method: "GET", path: "/api/v1/journal", summary: "What happened and who did it, oldest first", role: RoleReader,
		answer: []journal.Entry{}, statuses: []int{400}, query: []parameter{
			{"since", "A time, or how long ago, such as 1h", false}, {"until", "Likewise", false},
			{"kind", "A kind or an area, such as alert; may be there several times", false},
			{"subject", "A service, or a part of one after a slash", false},
			{"after", "An ID: only later entries", false}, {"limit", "How many at most. Default 1000", false},
		}}
	if a.Journal != nil {
		o.serve = a.readJournal
	}
	return []operation{o}
}
