package console

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/journal"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// Levers do to endpoints what operators ask for.
type Levers interface {
	Pull(gateway.Lever) error
	Undo(service, endpoint string, kind gateway.LeverKind, why string) (gateway.Lever, error)
	Levers() []gateway.Lever
}

// Pull is what a lever is pulled with.
type Pull struct {
	// Why is the reason, for whoever comes next.
	Why string `json:"why"`
	// Who does it. Where somebody is logged in by name, that name counts.
	Who string `json:"who,omitempty"`
	// Weight is from 1 to 1000; of the lever weight alone.
	Weight int `json:"weight,omitempty"`
}

// bodyBytesMax bounds the body of a request.
const bodyBytesMax = 64 << 10

// readJSON reads the body of a request strictly, and answers where it cannot.
func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil && decoder.Decode(new(any)) != io.EOF {
		err = errors.New("more than one value")
	}
	if err != nil {
		http.Error(w, "the body: want JSON: "+strings.TrimPrefix(err.Error(), "json: "), http.StatusBadRequest)
	}
	return err == nil
}

func (a *api) pullLever(w http.ResponseWriter, r *http.Request) {
	var p Pull
	if !readJSON(w, r, &p) {
		return
	}
	l := gateway.Lever{
		Service: r.PathValue("service"), Endpoint: r.PathValue("endpoint"), Kind: gateway.LeverKind(r.PathValue("lever")),
		Weight: p.Weight, Why: p.Why, Who: who(r, p.Who),
	}
	if err := a.Levers.Pull(l); err != nil {
		http.Error(w, err.Error(), statusOf(err))
		return
	}
	a.moved(w, l, journal.Entry{Who: l.Who, Why: l.Why, What: l.String()})
}

func (a *api) undoLever(w http.ResponseWriter, r *http.Request) {
	by, ok := actor(w, r)
	if !ok {
		return
	}
	l, err := a.Levers.Undo(r.PathValue("service"), r.PathValue("endpoint"), gateway.LeverKind(r.PathValue("lever")), cmp.Or(by.Who, "an operator")+": "+by.Why)
	if err != nil {
		http.Error(w, err.Error(), statusOf(err))
		return
	}
	a.moved(w, l, journal.Entry{Who: by.Who, Why: by.Why, What: l.String() + " undone"})
}

// actor reads who does something and why of a query, and answers where it does
// not say why.
func actor(w http.ResponseWriter, r *http.Request) (by gateway.Actor, ok bool) {
	query := r.URL.Query()
	by = gateway.Actor{Who: who(r, query.Get("who")), Why: query.Get("why")}
	return by, reasoned(w, by.Why)
}

// whyMax bounds a reason, and whoMax a name, in bytes.
const whyMax, whoMax = 500, 100

// who does it: the one who is logged in by name, else who they say they are.
func who(r *http.Request, said string) string {
	if p := principalOf(r); p.Name != "" {
		return p.Name
	}
	return strings.TrimSpace(strings.ToValidUTF8(said[:min(len(said), whoMax)], ""))
}

func statusOf(err error) int {
	for _, missing := range []error{gateway.ErrNoRoute, gateway.ErrNoService, gateway.ErrNoEndpoint, gateway.ErrNoLever, supervise.ErrNoReplica} {
		if errors.Is(err, missing) {
			return http.StatusNotFound
		}
	}
	if errors.Is(err, supervise.ErrBudget) {
		return http.StatusConflict
	}
	return http.StatusBadRequest
}
